"""What stands in the cells of the tables, and the tables themselves."""

from collections.abc import Iterator

from loadtest.peer import NODEPROXY
from loadtest.record import Record
from loadtest.summary import Cost, peers_of

FAMILY = "… with supervisor and discovery"
NOTHING = "-"

Row = tuple[str, ...]


def peer_lines(record: Record) -> Iterator[tuple[str, bool]]:
    """The lines of a table: nodeproxy has a second one, which counts all its processes."""
    for peer in peers_of(record):
        yield peer, False
        if peer == NODEPROXY:
            yield peer, True


def micros(seen: Cost | None, whole: bool = False) -> str:
    """CPU time per request, µs; of the worker, or of all processes."""
    cpu = seen and (seen.all if whole else seen.worker)
    return f"{cpu.total_s * 1e6:.1f}" if cpu and cpu.total_s else NOTHING


def seconds(seen: Cost | None, whole: bool) -> str:
    """CPU time per GiB, s."""
    cpu = seen and (seen.all if whole else seen.worker)
    return f"{cpu.total_s:.3f}" if cpu and cpu.total_s else NOTHING


def millis(time_s: float | None) -> str:
    """A time, ms."""
    return NOTHING if time_s is None else f"{time_s * 1e3:.2f}"


def ratio_to(seen: Cost | None, yardstick: Cost | None, whole: bool = False) -> str:
    """CPU time as a multiple of that of another peer's worker."""
    if not seen or not yardstick or not seen.worker.total_s or not yardstick.worker.total_s:
        return NOTHING
    return f"{(seen.all if whole else seen.worker).total_s / yardstick.worker.total_s:.2f}"


def busy(seen: Cost) -> str:
    """The share of its core that the peer used."""
    return f"{seen.busy_ratio:.0%}" if seen.busy_ratio else NOTHING


def table(head: Row, rows: list[Row]) -> str:
    """A Markdown table: names to the left, numbers to the right."""
    rule = "|---" + "|--:" * (len(head) - 1) + "|"
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])
