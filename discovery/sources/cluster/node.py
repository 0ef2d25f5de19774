"""Where this node is: its own object says, by a label."""

from discovery.kubernetes.objects import Node
from discovery.sources.cluster.watch import Resource


def node_of(name: str) -> Resource:
    """The Node object of this name. The mesh can do without: then no endpoint is known to be in this zone."""
    selector = {"fieldSelector": f"metadata.name={name}"}
    return Resource("Node", "/api/v1/nodes", Node, selector, required=False, why="the zone of this node")
