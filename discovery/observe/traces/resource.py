"""What all spans of this node have in common."""

import socket
from importlib.metadata import version


def resource_of(node: str) -> dict[str, str]:
    """The attributes of the resource: `node` is the name of the Kubernetes node, "" where there is none."""
    found = {"service.name": "nodeproxy", "service.version": version("nodeproxy"), "host.name": socket.gethostname()}
    return {**found, "k8s.node.name": node} if node else found
