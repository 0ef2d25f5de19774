"""One run: the policy sets of one nodeproxy, and the peers without and with equivalents, in alternating rounds."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from loadtest.errors import BenchmarkError
from loadtest.machine import cache_step_s, this_commit, this_machine
from loadtest.peer import NODEPROXY, PEERS, Peer, Running, answers
from loadtest.policies import routing
from loadtest.policies.hosts import host_of
from loadtest.policies.mesh import documents
from loadtest.policies.record import PolicyRecord
from loadtest.policies.routing import WITH_ROUTES
from loadtest.policies.sets import EIGHT, PLAIN, PolicySet
from loadtest.record import Missing, Record
from loadtest.run import SCHEMA, Plan, Say, all_started, saturate, versions
from loadtest.scenarios import SCENARIOS
from loadtest.toolbox import REPOSITORY, Toolbox

FULL = Plan(rounds=10, saturated_s=1, warmup_s=1, paced_s=(0.0, 0.0))
QUICK = Plan(rounds=1, saturated_s=1, warmup_s=1, paced_s=(0.0, 0.0))
SCENARIO = SCENARIOS[1]  # 12 fields: what policies read and edit
WITH_POLICIES = "-policies"
COMPARED = ("envoy", "traefik")


def peers() -> tuple[Peer, ...]:
    """nodeproxy, and each compared peer: plain, with the equivalents of the eight policies, and with routes."""
    known = {peer.name: peer for peer in PEERS}
    kinds = ("", WITH_POLICIES, WITH_ROUTES)
    return (known[NODEPROXY], *(replace(known[name], name=f"{name}{kind}") for name in COMPARED for kind in kinds))


def run(
    plan: Plan, sets: tuple[PolicySet, ...], absent: tuple[Missing, ...], toolbox: Toolbox, say: Say
) -> PolicyRecord:
    """Measure these sets. Everything started is ended on leaving, whatever happened.

    Raises: BenchmarkError when nodeproxy itself cannot be measured, or a peer dies on the way.
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit, walk = this_machine(), this_commit(REPOSITORY), toolbox.compiled("walk")
    step_s_before = cache_step_s(walk)
    chosen = peers()
    files = {peer.name: routing.files(peer.name) for peer in chosen} | {NODEPROXY: {"sets.yaml": documents(sets)}}
    with all_started(chosen, toolbox, say, files) as (started, missing, _):
        measured = tuple(_subjects(started, sets))
        _check(measured)
        saturated = tuple(saturate(plan, measured, (SCENARIO,), toolbox, say))
    names = tuple(peer.name for peer in started)
    record = Record(
        schema=SCHEMA,
        date=began,
        quick=plan == QUICK,
        commit=commit,
        machine=machine,
        cache_step_s=(step_s_before, cache_step_s(walk)),
        versions=versions(names, toolbox),
        missing=missing,
        memory=(),
        saturated=saturated,
        paced=(),
    )
    return PolicyRecord(record, sets, absent)


def subject(set_name: str) -> str:
    """The name of a policy set in a record."""
    return f"{NODEPROXY} {set_name}"


def _subjects(started: Iterable[Running], sets: tuple[PolicySet, ...]) -> Iterable[Running]:
    """What is measured, in this order: what the ratios need stands close together in a round."""
    node, *others = started
    ranked = sorted(sets, key=lambda each: each.name not in (PLAIN, EIGHT))
    of_sets = [replace(node, name=subject(each.name), host=host_of(each.name)) for each in ranked]
    yield from of_sets[:2]
    yield from (peer for peer in others if not peer.name.endswith(WITH_ROUTES))
    yield from of_sets[2:]
    asked = [each.name for each in sets if each.name in routing.RULES]
    for peer in others:
        if peer.name.endswith(WITH_ROUTES):
            yield from (replace(peer, name=f"{peer.name} {name}", host=host_of(name)) for name in asked)


def _check(subjects: Iterable[Running]) -> None:
    for each in subjects:
        if not answers(each.port, "/small", each.host):
            raise BenchmarkError(f"{each.name} gives no good answer to {each.host}")
