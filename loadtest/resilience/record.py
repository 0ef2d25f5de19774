"""What a run leaves behind: what each caller got under each table, and how often each endpoint was asked."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

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


def save(record: ResilienceRecord, path: Path) -> None:
    """Write the record as JSON that a reader of diffs can follow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def load(path: Path) -> ResilienceRecord:
    """Read a record.

    Raises: FileNotFoundError; msgspec.ValidationError when it is of another shape.
    """
    return msgspec.json.decode(path.read_bytes(), type=ResilienceRecord)
