"""The pods of this node, as a cluster is asked for them."""

from discovery.kubernetes.pods import Pod
from discovery.sources.cluster.watch import Resource


def pods_of(node: str) -> Resource:
    """The pods of this node."""
    selector = {"fieldSelector": f"spec.nodeName={node}"}
    return Resource("Pod", "/api/v1/pods", Pod, selector, required=False, why="the workloads of caller addresses")
