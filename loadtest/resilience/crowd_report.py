"""The record of the greedy caller as people read it: the medians over the rounds, without it and with it."""

from collections.abc import Iterator
from statistics import median

from loadtest.report import table
from loadtest.resilience.crowd import SITUATIONS, CrowdRecord, Situation, Turn
from loadtest.resilience.report import machine_line

HEAD = ("what the greedy caller saturates", "its requests per s", "p50 ms", "p99 ms", "ratio of p99")
HEAD += ("failed", "busy", "waited")


def summary(record: CrowdRecord) -> str:
    """The block of the README, and the whole of the result."""
    rows = [row for each in SITUATIONS for row in _row(each, record)]
    rounds = max((sum(turn.situation == each.name for turn in record.turns) // 2 for each in SITUATIONS), default=0)
    line = machine_line(record.date, record.commit, record.machine)
    return f"{table(HEAD, rows)}\n\nMedians of {rounds} rounds, without and with it. {line}"


def _row(situation: Situation, record: CrowdRecord) -> Iterator[tuple[str, ...]]:
    turns = [turn for turn in record.turns if turn.situation == situation.name]
    alone, beside = [turn for turn in turns if not turn.greedy], [turn for turn in turns if turn.greedy]
    if not alone or not beside:
        return
    before, after = _p99_s(alone), _p99_s(beside)
    p50s = (median(turn.callers.p50_s for turn in each) * 1e3 for each in (alone, beside))
    failed = sum(turn.callers.offered - turn.callers.statuses.get("200", 0) for turn in beside)
    yield (
        situation.title,
        f"{median(turn.greedy_per_s for turn in beside):,.0f}",
        " → ".join(f"{each:.1f}" for each in p50s),
        f"{before * 1e3:.1f} → {after * 1e3:.1f}",
        f"{after / before:.2f}",
        f"{failed}",
        f"{median(turn.busy_ratio for turn in beside):.0%}",
        f"{median(turn.waited_ratio for turn in beside):.1%}",
    )


def _p99_s(turns: list[Turn]) -> float:
    return median(turn.callers.p99_s for turn in turns)
