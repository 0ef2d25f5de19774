"""Objects that a real API server takes."""

from tests.discovery.kube import endpoint, service, slice_of


def web(shop, address):
    """A service of one endpoint."""
    bare = service(f"{shop}/web")
    del bare["spec"]["clusterIP"]
    return bare, slice_of(f"{shop}/web", endpoint(address))


def pod(shop, name, node, labels=None):
    """A Pod that some scheduler has bound to this node; nobody runs it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": shop, "labels": labels or {}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "none"}]},
    }
