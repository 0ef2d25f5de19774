"""What a run leaves behind: what each caller got under each table, and how often each endpoint was asked."""

from dataclasses import dataclass

from loadtest.machine import Commit, Machine
from loadtest.record import Missing
from loadtest.resilience.client import Got


@dataclass(frozen=True, slots=True)
class Outcome:
    """One table in one scenario. `endpoint_requests` include those of the warm-up, `sent` does too."""

    trouble: str
    table: str
    measure_s: float
    callers: tuple[Got, ...]
    sent: int
    endpoint_requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResilienceRecord:
    """A whole run. `absent` are the tables that this version does not accept."""

    schema: int
    date: str
    commit: Commit
    machine: Machine
    outcomes: tuple[Outcome, ...]
    absent: tuple[Missing, ...]
