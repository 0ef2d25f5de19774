"""The decisions of policies, counted alike for a policy in force and for one in shadow mode."""

from collections.abc import MutableMapping
from typing import Literal, Protocol

Mode = Literal["enforce", "shadow"]
Counts = MutableMapping[tuple[str, str, str], int]
"""Decisions by policy, outcome and mode."""


class Rehearsed(Protocol):
    """An exchange, as far as decisions are noted on it."""

    shadowed: tuple[str, ...]


class Decisions:
    """Counts what one policy of a service port decides.

    A policy in shadow mode evaluates each request, counts what it would have done, and changes nothing.
    """

    __slots__ = ("_counts", "mode", "policy", "shadow")

    def __init__(self, counts: Counts, policy: str, mode: Mode = "enforce") -> None:
        self.policy = policy
        self.mode: Mode = mode
        self.shadow = mode == "shadow"
        self._counts = counts

    def count(self, outcome: str, exchange: Rehearsed | None = None) -> None:
        """Count one decision; one of a policy in shadow mode is also noted on its `exchange`, for the access log.

        `outcome` is one of the policy's `Policy.outcomes`: metrics have it as a label.
        """
        key = (self.policy, outcome, self.mode)
        self._counts[key] = self._counts.get(key, 0) + 1
        if self.shadow and exchange is not None:
            exchange.shadowed += (f"{self.policy}:{outcome}",)
