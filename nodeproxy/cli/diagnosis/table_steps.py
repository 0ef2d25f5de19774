"""The steps of the node's own state: its source, the name, the workers' tables, policies. Pure."""

from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.mesh.diagnosis import Step

SHOWN_MOST = 3  # problems named in one line; `explain` and `status` have all


def node(evidence: Evidence) -> Step:
    """Whether the control process is in sync and workers serve."""
    facts = evidence.facts
    if not facts.workers:
        return Step("node", "broken", "no worker is connected to the control process", "read the log of the proxy")
    errors = "; ".join(facts.watch_errors[:SHOWN_MOST])
    if facts.restored:
        text = f"the source has not been in sync since the start, the last good state is in force{_after(errors)}"
        return Step("node", "broken", text, "check that the API server is reachable: `nodeproxy status`", part=True)
    if errors:
        text = f"the API server cannot be watched, so what this node has grows old ({errors})"
        return Step("node", "broken", text, "check that the API server is reachable, and its permissions", part=True)
    if facts.silent:
        numbers = ", ".join(map(str, facts.silent))
        text = f"worker {numbers} did not answer in time"
        return Step("node", "broken", text, "`nodeproxy status` shows when it last reported", part=True)
    return Step("node", "ok", f"in sync, {facts.workers} worker{'s' if facts.workers > 1 else ''}")


def name(evidence: Evidence) -> Step:
    """Whether the name means a service port, and one that takes what is sent to it."""
    facts, port = evidence.facts, evidence.facts.port
    if facts.problem:
        old = " in the last good state, which is in force" if facts.restored else ""
        return Step("name", "broken", f"{facts.problem}{old}", facts.cure)
    if port is None:
        return Step("name", "skipped", "nothing is known of it")
    if port.unserved:
        text, _, cure = port.unserved.partition(": ")
        return Step("name", "broken", f"{evidence.name} port {port.number} is not served, {text}", cure)
    if evidence.wants_http and port.not_http:
        text, _, cure = port.not_http.partition(": ")
        return Step("name", "broken", f"{evidence.name}: {text}", cure)
    return Step("name", "ok", f"{evidence.name} port {port.key} speaks {port.protocol}")


def table(evidence: Evidence) -> Step:
    """Whether the workers have the service port."""
    port = evidence.facts.port
    if port is not None and not port.in_table:
        text = f"a worker does not have {evidence.name} port {port.key} in its table"
        return Step("table", "broken", text, "its log says why it has refused the update")
    return Step("table", "ok", "every worker that has answered has the port")


def policy(evidence: Evidence) -> Step:
    """Whether its policies are in force as they are written, and their targets exist."""
    facts = evidence.facts
    if facts.refused:
        first, more = facts.refused[0], len(facts.refused) - 1
        text = f"a policy table for {evidence.name} is refused, {first.instead}: {first.problem}"
        text += f" (and {more} more)" if more else ""
        cure = f"correct the {first.configmap if ' ' in first.configmap else f'ConfigMap {first.configmap}'}"
        return Step("policy", "broken", text, cure, part=True)
    if facts.returned:
        text = f"a changed policy table was taken back ({facts.returned}), and the last good one is in force"
        return Step("policy", "broken", text, "change the table again, see `nodeproxy explain`", part=True)
    if facts.wrong_targets:
        text = f"a policy of {evidence.name} sends requests where they fail, {facts.wrong_targets[0]}"
        return Step(
            "policy", "broken", text, "correct the place in the policy, or the Service that it names", part=True
        )
    return Step("policy", "ok", "all that is written for it is in force")


def _after(errors: str) -> str:
    return f" ({errors})" if errors else ""
