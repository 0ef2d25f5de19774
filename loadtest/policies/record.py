"""What a run of the policies leaves behind: the record of its rounds, the tables measured, and what was missing."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtest.policies.sets import PolicySet
from loadtest.record import Missing, Record


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A whole run. `absent` are policies of a set that this version does not have, or refuses."""

    run: Record
    sets: tuple[PolicySet, ...]
    absent: tuple[Missing, ...]


def save(record: PolicyRecord, path: Path) -> None:
    """Write the record as JSON that a reader of diffs can follow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def load(path: Path) -> PolicyRecord:
    """Read a record.

    Raises: FileNotFoundError; msgspec.ValidationError when it is of another shape.
    """
    return msgspec.json.decode(path.read_bytes(), type=PolicyRecord)
