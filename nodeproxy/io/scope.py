"""A scope: how long something may take, in all and without a byte that moves."""

from math import inf

from nodeproxy.io.task import Task


class Scope:
    """Bounds the waits of one task. An inner scope never outlasts the one around it, whatever is set on either.

    Bounds take effect with the next `moved`. A connection reuses its scope for each exchange: see `reset`.
    """

    __slots__ = ("_outer", "allowance_s", "idle_s", "task", "until")

    def __init__(self, task: Task, outer: "Scope | None" = None) -> None:
        """`outer` may be of a different task, which has started this one."""
        self.until = inf
        """When it must be over, monotonic seconds."""
        self.idle_s = inf
        """How long no byte of it may move."""
        self.allowance_s = inf
        """How long it may take once a streamed request body has been sent: from then on it has an `until`."""
        self._outer = outer
        self.task = task

    def reset(self) -> None:
        """Lift all bounds."""
        self.until = self.idle_s = self.allowance_s = self.task.deadline = inf

    def child(self, until: float) -> "Scope":
        """A scope inside of this one for the same task, which ends at `until` at the latest."""
        scope = Scope(self.task, self)
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
        self.task.limit(until if until < deadline else deadline)

    def body_sent(self, now: float) -> None:
        """A streamed request body has been sent to its last byte: what is left is the endpoint's time."""
        scope: Scope | None = self
        while scope is not None:
            # A second try of a buffered body gets no time of its own from the scopes around it.
            scope.until = min(scope.until, now + scope.allowance_s)
            scope = scope._outer
        self.moved(now)

    def extend(self, until: float, silent_since: float) -> None:
        """Allow it to take until `until`, which is later than before."""
        self.until = until
        # A store is enough where a deadline moves back: the task looks at it when the earlier one has come.
        self.task.deadline = max(self.task.deadline, min(self.ends(), silent_since + self.silence_s()))
