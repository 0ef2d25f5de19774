"""The last steps: the caller's own limits, and a request as a client sends it. Pure."""

from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.cli.diagnosis.trials import Replied
from nodeproxy.mesh.diagnosis import Step

REFUSALS = {
    "rate-limited": ("its policy rateLimit allows no more requests now", "raise the limit, or send less"),
    "circuit-open": (
        "the circuit of its policy circuitBreaker is open",
        "see why requests failed before; it closes by itself once they succeed",
    ),
    "connection-pool-full": (
        "its policy connectionPool allows no more connections or requests",
        "raise the limit, or see which requests take so long: `nodeproxy endpoints`",
    ),
    "overloaded": ("its policy adaptiveConcurrency finds it overloaded", "see why it is slow, or add endpoints"),
    "over-share": ("its policy fairness has too many requests waiting", "see which caller sends so many"),
    "no-endpoints": ("it has no usable endpoint", "see the step endpoints"),
    "endpoints-unknown": ("its endpoints have not arrived", "check the API server: `nodeproxy status`"),
    "timeout": ("no response came in time", "see why the endpoint is slow, or raise timeouts.request"),
    "attempt-timeout": ("no response came in time", "see why the endpoint is slow, or raise timeouts.attempt"),
    "connect-failed": ("no connection to an endpoint succeeds", "see the step reached"),
    "connection-lost": ("the endpoint closes connections before its response", "see the log of the endpoint"),
    "bad-response": (
        "the endpoint does not send a valid HTTP response",
        "see what the port speaks, and set its appProtocol",
    ),
    "protocol-mismatch": ("a policy sends HTTP to a port that takes none", "correct the port in split or fallback"),
    "out-of-descriptors": ("the proxy can open no more sockets", "raise its limit of open files"),
    "worker-full": ("the proxy is full of connections", "raise downstream_connections_limit"),
}


def caller(evidence: Evidence) -> Step:
    """What has become of the requests of the caller asked for, if one was."""
    facts, before = evidence.facts, evidence.caller_before
    now = facts.caller
    if facts.caller_problem:
        return Step("caller", "broken", facts.caller_problem, "ask on the node that the pod runs on", part=True)
    if now is None:
        return Step("caller", "skipped", "--from names no caller")
    who = f"{now.namespace}/{now.workload}"
    since = before.refused if before is not None else {}
    grown = {reason: number - since.get(reason, 0) for reason, number in now.refused.items()}
    if (most := max(grown, key=lambda reason: grown[reason], default="")) and grown[most] > 0:
        why, cure = REFUSALS.get(most, (f"the mesh refuses them ({most})", "see `nodeproxy explain`"))
        limit = f", {now.limit}" if most == "rate-limited" and now.limit else ""
        text = f"{grown[most]} requests of {who} to {evidence.name} are being refused: {why}{limit}"
        return Step("caller", "broken", text, cure, part=True)
    refused = ", ".join(f"{number} {reason}" for reason, number in now.refused.items()) or "none refused"
    text = f"{who}: {now.requests} requests so far, {refused}"
    return Step("caller", "ok", f"{text}; its limit is {now.limit}" if now.limit else text)


def request(evidence: Evidence) -> Step:
    """What became of a real request, or connection, through this node."""
    replied = evidence.reply
    if replied is None:
        return Step("request", "skipped", "none was sent")
    if replied.problem:
        text = f"nothing comes back through this node: {replied.problem}"
        return Step("request", "broken", text, "check the setting listen, and `nodeproxy status`")
    if replied.reason:
        why, cure = REFUSALS.get(replied.reason, (replied.text.strip() or replied.reason, "see `nodeproxy explain`"))
        text = f"the mesh refuses {replied.what} to {evidence.name} with {replied.status}: {why}"
        return Step("request", "broken", text, cure)
    return _from_endpoint(evidence.name, replied)


def _from_endpoint(name: str, replied: Replied) -> Step:
    if replied.status >= 500:
        text = f"an endpoint of {name} answers {replied.what} with {replied.status} itself"
        return Step("request", "broken", text, "the mesh passes that on; see the log of the endpoint", part=True)
    answered = f" got {replied.status}" if replied.status else " is open"
    return Step("request", "ok", f"{replied.what}{answered} after {replied.elapsed_s:.3f} s")
