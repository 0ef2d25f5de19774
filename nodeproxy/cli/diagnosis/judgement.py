"""Judges the evidence: a step for each part of the way, in the order of the way, and one sentence. Pure."""

from nodeproxy.cli.diagnosis.address_steps import address, cluster_dns, node_dns
from nodeproxy.cli.diagnosis.endpoint_steps import endpoints, in_use, reached
from nodeproxy.cli.diagnosis.evidence import Evidence
from nodeproxy.cli.diagnosis.reply_steps import caller, request
from nodeproxy.cli.diagnosis.table_steps import name, node, policy, table
from nodeproxy.mesh.diagnosis import Diagnosis, Step

WALK = (node, name, node_dns, cluster_dns, address, table, policy, endpoints, reached, in_use, caller, request)
ALWAYS = ("node", "name")
"""The steps that are judged without a service."""


def diagnosed(asked: str, evidence: Evidence) -> Diagnosis:
    """The walk for the name `asked`.

    The sentence is of the first step that stops requests; without one, of the first that is broken otherwise.
    """
    steps: list[Step] = []
    for judge in WALK:
        if evidence.facts.port is None and judge.__name__ not in ALWAYS:
            steps.append(Step(judge.__name__.replace("_", " "), "skipped", "there is no service port to look at"))
        else:
            steps.append(judge(evidence))
    broken = sorted((step for step in steps if step.state == "broken"), key=lambda step: step.part)
    if not broken:
        return Diagnosis(asked, True, f"{evidence.name} is healthy: {steps[-1].text}", tuple(steps))
    worst = broken[0]
    return Diagnosis(asked, False, f"{worst.text}; {worst.cure}" if worst.cure else worst.text, tuple(steps))
