"""Counts the decisions of policies, in force or in shadow mode."""

from collections.abc import MutableMapping
from typing import Literal, Protocol

Mode = Literal["enforce", "shadow"]
Counts = MutableMapping[tuple[str, str, str], int]
"""Decisions by policy, outcome and mode."""


class Recorded(Protocol):
    """What is recorded of an exchange; see `recording.Recording`."""

    def decided(self, policy: str, outcome: str, mode: str) -> None: ...


class Rehearsed(Protocol):
    """An exchange, as far as decisions are recorded in it."""

    shadowed: tuple[str, ...]

    @property
    def recording(self) -> Recorded | None: ...


class Decisions:
    """Counts the decisions of one policy of a service port.

    A policy in shadow mode evaluates each request and counts its decisions, without any other effect.
    """

    __slots__ = ("_counts", "mode", "policy", "service_port", "shadow")

    def __init__(self, counts: Counts, policy: str, mode: Mode = "enforce", service_port: str = "") -> None:
        self.policy = policy
        self.mode: Mode = mode
        self.shadow = mode == "shadow"
        self.service_port = service_port
        """Its name, `<namespace>/<service>:<port>`; "" where that does not matter."""
        self._counts = counts

    def count(self, outcome: str, exchange: Rehearsed | None = None) -> None:
        """Count one decision about `exchange`, in whose recording it is an event.

        In shadow mode it is also kept in `exchange`, for the access log.

        `outcome` is one of `Policy.outcomes`, and a label of metrics.
        """
        key = (self.policy, outcome, self.mode)
        self._counts[key] = self._counts.get(key, 0) + 1
        if exchange is not None:
            if self.shadow:
                exchange.shadowed += (f"{self.policy}:{outcome}",)
            if exchange.recording is not None:
                exchange.recording.decided(self.policy, outcome, self.mode)
