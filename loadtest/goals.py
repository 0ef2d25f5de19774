"""What the numbers of a run are to be: at most so many times another peer's, in the same run."""

from typing import NamedTuple

from loadtest.cells import NOTHING, Row, ratio_to, table
from loadtest.peer import NODEPROXY, SOURCE
from loadtest.record import Record
from loadtest.scenarios import SCENARIOS, STREAMED, Scenario
from loadtest.summary import cost, latency

_, TWELVE_FIELDS, FRESH, BODIES = SCENARIOS
LATER_MS = 0.2  # than HAProxy, at the same fixed rate


class Goal(NamedTuple):
    """CPU time of one peer, as a multiple of another's."""

    scenario: Scenario
    peer: str
    yardstick: str
    most: float


GOALS = (
    Goal(TWELVE_FIELDS, NODEPROXY, "haproxy", 1.6),
    Goal(TWELVE_FIELDS, NODEPROXY, "envoy", 0.5),
    Goal(TWELVE_FIELDS, SOURCE, "haproxy", 2.35),
    Goal(FRESH, NODEPROXY, "haproxy", 1.8),
    Goal(BODIES, NODEPROXY, "haproxy", 1.1),
    *(Goal(each, NODEPROXY, "haproxy", 1.6 if each.name.startswith("h2-to-h2") else 1.9) for each in STREAMED),
)


def goals_table(record: Record) -> str:
    """Each goal beside what was measured; "" where nothing of it was."""
    rows = [row for row in (*(_row(record, goal) for goal in GOALS), _latency_row(record)) if row[2] != NOTHING]
    return table(("CPU time", "of", "measured", "goal: at most"), rows) if rows else ""


def _row(record: Record, goal: Goal) -> Row:
    ratio = ratio_to(cost(record, goal.scenario, goal.peer), cost(record, goal.scenario, goal.yardstick))
    return goal.scenario.title, f"{goal.peer} / {goal.yardstick}", ratio, f"{goal.most:.2f}"


def _latency_row(record: Record) -> Row:
    own, other = (latency(record, TWELVE_FIELDS, peer) for peer in (NODEPROXY, "haproxy"))
    late = f"{(own.p99_s - other.p99_s) * 1e3:+.2f} ms" if own and other else NOTHING
    return f"p99 at {own.rate:,.0f}/s" if own else "", f"{NODEPROXY} - haproxy", late, f"{LATER_MS:+.1f} ms"
