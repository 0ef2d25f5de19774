"""The zone of this node, from a label of its Node object."""

from discovery.kubernetes.pods import Node
from discovery.sources.cluster.watch import Resource


def node_of(name: str) -> Resource:
    """The Node object of this name. It is optional: without it no endpoint counts as in this zone."""
    selector = {"fieldSelector": f"metadata.name={name}"}
    return Resource("Node", "/api/v1/nodes", Node, selector, required=False, why="the zone of this node")
