"""The record of the policies as people read it: ratios of the eight with their goals, and the cost of each policy."""

from dataclasses import replace
from statistics import median

import yaml

from loadtest.cells import NOTHING, table
from loadtest.peer import NODEPROXY
from loadtest.policies.record import PolicyRecord
from loadtest.policies.routing import RULES, WITH_ROUTES
from loadtest.policies.run import COMPARED, SCENARIO, WITH_POLICIES, subject
from loadtest.policies.sets import EIGHT, PLAIN, PolicySet
from loadtest.record import faults as faults_of
from loadtest.report import absent_lines, missing_lines, where
from loadtest.summary import Cost, cost

GOALS = {"envoy": 0.6, "traefik": 0.6, NODEPROXY: 1.25}
"""The highest ratio of nodeproxy with eight policies: to a peer with equivalents, and to itself without a table."""

TABLE_CHARACTERS = 600  # of a table that is shown; the rules of routes are all alike


def markdown(record: PolicyRecord) -> str:
    """Everything the record says."""
    parts = ["# What policies cost", where(record.run), *missing_lines(record.run), *absent_lines(record.absent)]
    parts += ["## Eight policies together", ratio_table(record), "## Each policy alone", _alone_table(record)]
    parts += ["## Routers", _routers_table(record)] if _routers_table(record) else []
    parts += ["## The tables", "\n".join(f"- {each.name}: `{_yaml(each)}`" for each in record.sets)]
    return "\n\n".join(parts) + "\n"


def summary(record: PolicyRecord) -> str:
    """The block of the README."""
    return "\n\n".join([ratio_table(record), _alone_table(record), *absent_lines(record.absent), where(record.run)])


def ratio_table(record: PolicyRecord) -> str:
    """nodeproxy with the eight policies, in proportion to each peer with equivalents and to itself without."""
    eight = subject(EIGHT)
    compared = [(f"{name} with equivalents", f"{name}{WITH_POLICIES}", GOALS[name]) for name in COMPARED]
    compared += [(f"{NODEPROXY} without a table", subject(PLAIN), GOALS[NODEPROXY])]
    rows = [(f"{NODEPROXY} with {_number(record)} policies", _micros(_cost(record, eight)), "1.00", NOTHING)]
    for title, name, goal in compared:
        rows.append((title, _micros(_cost(record, name)), _ratio(record, eight, name), f"{goal:.2f}"))
    rows += [(f"{name} without", _micros(_cost(record, name)), _ratio(record, eight, name), "") for name in COMPARED]
    return table(("", "CPU µs per request", f"{NODEPROXY} with policies, ratio to it", "goal: at most"), rows)


def _alone_table(record: PolicyRecord) -> str:
    rows = [_alone_row(record, each) for each in record.sets]
    return table(("policies", "CPU µs per request", "range", "compared with", "µs more", "ratio", "refused"), rows)


def _routers_table(record: PolicyRecord) -> str:
    """What so many rules add to a request, in each peer: to its own cost without any."""
    rows = []
    for name, number in RULES.items():
        mine = _more(record, subject(name), subject(PLAIN))
        others = [_more(record, f"{peer}{WITH_ROUTES} {name}", peer) for peer in COMPARED]
        if mine != NOTHING:
            rows.append((str(number), mine, *others))
    return table(("rules by prefix", *(f"{name}, µs more" for name in (NODEPROXY, *COMPARED))), rows) if rows else ""


def _more(record: PolicyRecord, name: str, base: str) -> str:
    pairs = _pairs(record, name, base)
    return f"{median(own - other for own, other in pairs) * 1e6:+.1f}" if pairs else NOTHING


def _alone_row(record: PolicyRecord, each: PolicySet) -> tuple[str, ...]:
    name, base = subject(each.name), subject(each.against)
    seen, pairs = _cost(record, name), _pairs(record, name, base)
    if seen is None:
        return (each.title, *[NOTHING] * 6)
    spread = f"{seen.lowest_s * 1e6:.1f}-{seen.highest_s * 1e6:.1f}"
    if name == base or not pairs:
        return (each.title, _micros(seen), spread, NOTHING, NOTHING, NOTHING, _refused(record, each.name))
    return (
        each.title,
        _micros(seen),
        spread,
        each.against,
        _more(record, name, base),
        _ratio(record, name, base),
        _refused(record, each.name),
    )


def _pairs(record: PolicyRecord, name: str, base: str) -> list[tuple[float, float]]:
    """CPU seconds per request of both in each round: the machine's speed drifts from round to round."""
    rounds: dict[tuple[str, int], float] = {
        (run.peer, run.round): run.worker_cpu.total_s / run.requests for run in record.run.saturated if run.requests
    }
    numbers = sorted(number for peer, number in rounds if peer == name and rounds.get((base, number)))
    return [(rounds[name, number], rounds[base, number]) for number in numbers]


def faults(record: PolicyRecord) -> tuple[str, ...]:
    """A sentence for each run that the ratios need in which a request was not answered as it should be."""
    needed = {subject(PLAIN), subject(EIGHT)}
    runs = tuple(run for run in record.run.saturated if run.peer in needed or not run.peer.startswith(NODEPROXY))
    return faults_of(replace(record.run, saturated=runs))


def _yaml(each: PolicySet) -> str:
    text = yaml.safe_dump(dict(each.policies), default_flow_style=True, width=100_000, sort_keys=False).strip()
    return text if len(text) <= TABLE_CHARACTERS else f"{text[:TABLE_CHARACTERS]} …"


def _number(record: PolicyRecord) -> int:
    return next((len(each.policies) for each in record.sets if each.name == EIGHT), 0)


def _cost(record: PolicyRecord, name: str) -> Cost | None:
    return cost(record.run, SCENARIO, name)


def _micros(seen: Cost | None) -> str:
    return f"{seen.worker.total_s * 1e6:.1f}" if seen else NOTHING


def _ratio(record: PolicyRecord, name: str, base: str) -> str:
    """The median over the rounds of the ratio within a round."""
    pairs = _pairs(record, name, base)
    return f"{median(own / other for own, other in pairs):.2f}" if pairs else NOTHING


def _refused(record: PolicyRecord, name: str) -> str:
    """The share of requests that were not answered with 200: a row that has some measures something else."""
    runs = [run for run in record.run.saturated if run.peer == subject(name)]
    wrong, all_of_them = sum(sum(run.errors.values()) for run in runs), sum(run.requests for run in runs)
    return f"{wrong / all_of_them:.1%}" if wrong and all_of_them else ""
