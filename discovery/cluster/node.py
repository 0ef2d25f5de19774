"""Where this node is: its own object says, by a label."""

from discovery.cluster.watch import Resource
from discovery.objects import Node


def node_of(name: str) -> Resource:
    """The Node object of this name. The mesh can do without: then no endpoint is known to be in this zone."""
    selector = {"fieldSelector": f"metadata.name={name}"}
    return Resource("Node", "/api/v1/nodes", Node, selector, required=False, why="the zone of this node")
