"""A scope: how long something may take, in all and without a byte that moves."""

from math import inf
from typing import Protocol


class Limited(Protocol):
    """A task, as far as a scope uses it."""

    deadline: float

    def limit(self, deadline: float) -> None:
        """Let waits end with DeadlinePassed at `deadline`, monotonic seconds; replaces the one before."""
        ...


class Scope:
    """Bounds the waits of one task. An inner scope never outlasts the one around it, whatever is set on either.

    Bounds take effect with the next `moved`. A connection reuses its scope for each exchange: see `reset`.
    """

    __slots__ = ("_outer", "_task", "idle_s", "until")

    def __init__(self, task: Limited, outer: "Scope | None" = None) -> None:
        self.until = inf
        """When it must be over, monotonic seconds."""
        self.idle_s = inf
        """How long no byte of it may move."""
        self._outer = outer
        self._task = task

    def reset(self) -> None:
        """Lift all bounds."""
        self.until = self.idle_s = self._task.deadline = inf

    def child(self, until: float) -> "Scope":
        """A scope inside of this one for the same task, which ends at `until` at the latest."""
        scope = Scope(self._task, self)
        scope.until = until
        return scope

    def ends(self) -> float:
        """When it must be over, the scopes around it considered, monotonic seconds."""
        return self.until if self._outer is None else min(self.until, self._outer.ends())

    def silence_s(self) -> float:
        """How long no byte of it may move, the scopes around it considered."""
        return self.idle_s if self._outer is None else min(self.idle_s, self._outer.silence_s())

    def moved(self, now: float) -> None:
        """A byte has moved, in either direction, or bounds have changed: silence is counted from here."""
        if self._outer is None:
            until, deadline = self.until, now + self.idle_s
        else:
            until, deadline = self.ends(), now + self.silence_s()
        self._task.limit(until if until < deadline else deadline)

    def extend(self, until: float, silent_since: float) -> None:
        """Allow it to take until `until`, which is later than before."""
        self.until = until
        # A store is enough where a deadline moves back: the task looks at it when the earlier one has come.
        self._task.deadline = max(self._task.deadline, min(self.ends(), silent_since + self.silence_s()))
