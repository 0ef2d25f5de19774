"""The steps from the name to an address of this node. Pure."""

from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.mesh.diagnosis import Step

SHOW = "`nodeproxy cluster-dns show --kubeconfig FILE` prints what is missing, the Deployment nodeproxy-dns adds it"


def node_dns(evidence: Evidence) -> Step:
    """Whether the node's own DNS listener has the address."""
    found, wanted = evidence.node_dns, evidence.facts.virtual_address
    if not wanted:
        return Step("node dns", "skipped", f"{evidence.name} has no address of its own; it is called by Host")
    if found is None:
        if evidence.in_cluster:
            text = "this node answers no DNS, because the setting dns is empty"
            return Step("node dns", "broken", text, "set it, as manifests/base/settings.yaml does", part=True)
        return Step("node dns", "skipped", "the setting dns is empty; names are sent as Host or by http_proxy")
    if found.problem:
        text = f"the node's DNS listener {found.server} {found.problem}"
        return Step("node dns", "broken", text, "check the setting dns and the log of the proxy")
    if wanted not in found.addresses:
        text = f"the node's DNS listener {found.server} has {', '.join(found.addresses)} for it, not {wanted}"
        return Step("node dns", "broken", text, "another proxy may listen there: `ss -ulnp` shows it")
    return Step("node dns", "ok", f"{found.server} has {wanted}")


def cluster_dns(evidence: Evidence) -> Step:
    """Whether the cluster's DNS, which pods ask, forwards the mesh's names."""
    found, wanted = evidence.cluster_dns, evidence.facts.virtual_address
    if found is None:
        return Step("cluster dns", "skipped", "there is no Service of a cluster DNS, or no name to ask it for")
    if found.problem or wanted not in found.addresses:
        why = found.problem or f"has {', '.join(found.addresses)} for it, not {wanted}"
        text = f"the cluster DNS {found.server} {why}: it does not forward the zone mesh to this node"
        return Step("cluster dns", "broken", text, SHOW)
    return Step("cluster dns", "ok", f"{found.server} forwards, and has {wanted}")


def address(evidence: Evidence) -> Step:
    """Whether the service's own address is local to this node, and listened at."""
    wanted, missing = evidence.facts.virtual_address, evidence.facts.listeners_missing
    if evidence.local is None:
        return Step("address", "skipped", f"{evidence.name} has no address of its own; it is called by Host")
    if not evidence.local:
        text = f"{wanted} is not an address of this node, so what is sent there leaves it"
        return Step("address", "broken", text, "run `nodeproxy net up`, as the init container does, with NET_ADMIN")
    if missing:
        text = f"a worker has no listener at {missing} of the services' own addresses"
        return Step("address", "broken", text, "its log says which and why", part=True)
    return Step("address", "ok", f"{wanted} is local to this node")
