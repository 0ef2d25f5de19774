"""The steps from the table to an endpoint: there are some, they are reachable, they are in use. Pure."""

from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.mesh.diagnosis import Facts, PortFacts, Step
from nodeproxy.mesh.service_view import EndpointView

SHOWN_MOST = 3  # endpoints named in one line
CURES = {
    "refused": "nothing listens there: compare the Service's targetPort with the port that the program opens",
    "timed out": "packets are dropped on the way: check NetworkPolicies, which must let this node in, and the pod",
}


def endpoints(evidence: Evidence) -> Step:
    """Whether there are endpoints that may be called."""
    facts, port = evidence.facts, evidence.facts.port
    if port is None:
        return Step("endpoints", "skipped", "nothing is known of them")
    if not facts.subscribed:
        text = f"the endpoints of {evidence.name} are subscribed to and have not arrived"
        if evidence.reply is None:
            text = f"the endpoints of {evidence.name} are not followed, because no request has asked for them"
        return Step("endpoints", "broken", text, "check that the API server is reachable: `nodeproxy status`")
    if port.ready:
        return Step("endpoints", "ok", f"{port.ready} of {max(port.written, port.ready)} may be called")
    if facts.restored:
        text = f"{evidence.name} had no endpoint when the last good state was stored"
        return Step("endpoints", "broken", text, "check that the API server is reachable: `nodeproxy status`")
    return Step("endpoints", "broken", *_none(evidence.name, facts, port))


def _none(name: str, facts: Facts, port: PortFacts) -> tuple[str, str]:
    of_service = f"kubectl -n {facts.namespace} describe service {facts.service}"
    if not port.written:
        what = "has no EndpointSlice" if not facts.slices else "has EndpointSlices without an endpoint"
        cure = f"compare its selector with the labels of the pods: {of_service}"
        return f"{name} {what}, so its selector matches no pod", cure
    if port.without_port == port.written:
        cure = f"compare the names and targetPorts with those of the pods: {of_service}"
        return f"the pods of {name} have no port for port {port.key}", cure
    if facts.only_local:
        cure = "run one on each node, or remove internalTrafficPolicy"
        return f"internalTrafficPolicy of {name} is Local and no endpoint on this node is ready", cure
    cure = f"see their readiness probes: kubectl -n {facts.namespace} get pods"
    return f"none of the {port.written} endpoints of {name} is ready", cure


def reached(evidence: Evidence) -> Step:
    """Whether connections to the endpoints succeed from this node."""
    outcomes = evidence.connects
    bad = {address: outcome for address, outcome in outcomes.items() if outcome != "connected"}
    if not outcomes:
        return Step("reached", "skipped", "there is no endpoint to connect to over TCP")
    if not bad:
        return Step("reached", "ok", f"{_few(list(outcomes))} accept connections")
    outcome = max(set(bad.values()), key=list(bad.values()).count)
    those = [address for address, each in bad.items() if each == outcome]
    words = {"refused": "refuse the connection", "timed out": "do not answer a connection"}.get(outcome, outcome)
    text = f"{len(bad)} of {len(outcomes)} endpoints of {evidence.name} cannot be reached: {_few(those)} {words}"
    cure = CURES.get(outcome, "check the network between this node and the pod")
    return Step("reached", "broken", text, cure, part=len(bad) < len(outcomes))


def in_use(evidence: Evidence) -> Step:
    """Whether the balancer may choose the endpoints."""
    known = evidence.facts.port.endpoints if evidence.facts.port is not None else ()
    out = [each for each in known if not each.usable]
    if not known:
        return Step("in use", "skipped", "the workers have no endpoint")
    if not out:
        return Step("in use", "ok", "no endpoint is ejected")
    sick = [each for each in out if any(worker.unhealthy for worker in each.workers)]
    those = ", ".join(f"{each.address} ({_why(each)})" for each in out[:SHOWN_MOST])
    text = f"{'all' if len(out) == len(known) else len(out)} of {len(known)} endpoints are ejected: {those}"
    if sick:
        cure = "see what the endpoint answers to the path of healthCheck"
    else:
        cure = "see what they answer in the access log; `nodeproxy endpoints` shows when they return"
    return Step("in use", "broken", text, cure, part=len(out) < len(known))


def _why(endpoint: EndpointView) -> str:
    for worker in endpoint.workers:
        if worker.unhealthy:
            return "its health probes fail"
        if worker.ejected_s:
            return f"{worker.why or 'connecting failed'}, for {worker.ejected_s:.1f} s more"
    return "in no worker"


def _few(addresses: list[str]) -> str:
    more = len(addresses) - SHOWN_MOST
    return ", ".join(addresses[:SHOWN_MOST]) + (f" and {more} more" if more > 0 else "")
