"""The table of what clients saw: statuses and latencies by caller, service and endpoint."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from nodeproxy.demo.traffic import Answer

LEFT = ("caller", "service", "endpoint", "status")


def quantile_ms(seconds: Sequence[float], ratio: float) -> float:
    """The duration that `ratio` of `seconds` do not exceed, in milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, int(ratio * len(seconds)))] * 1000


def rendered(title: str, answers: Sequence[Answer]) -> Table:
    """The table: one row per caller, service and endpoint."""
    # fits 80 columns
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in ("caller", "service", "endpoint", "requests", "status", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column in LEFT else "right")
    for key in sorted({_key(answer) for answer in answers}):
        own = [answer for answer in answers if _key(answer) == key]
        caller, service, endpoint = key
        seconds = [answer.seconds for answer in own]
        table.add_row(
            caller,
            service,
            endpoint or "(the mesh itself)",
            str(len(own)),
            statuses(own),
            f"{quantile_ms(seconds, 0.5):.1f}",
            f"{quantile_ms(seconds, 0.99):.1f}",
        )
    return table


def statuses(answers: Sequence[Answer]) -> str:
    """How often each status was seen: `200: 19, 503: 1`."""
    return ", ".join(f"{status}: {number}" for status, number in sorted(Counter(a.status for a in answers).items()))


def _key(answer: Answer) -> tuple[str, str, str]:
    return answer.caller, answer.service, answer.endpoint
