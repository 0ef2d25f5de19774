"""What a run of the policies leaves behind: the record of its rounds, the tables measured, and what was missing."""

from dataclasses import dataclass

from loadtest.policies.sets import PolicySet
from loadtest.record import Missing, Record


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A whole run. `absent` are policies of a set that this version does not have, or refuses."""

    run: Record
    sets: tuple[PolicySet, ...]
    absent: tuple[Missing, ...]
