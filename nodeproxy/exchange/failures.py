"""Exchanges that failed, for the list of recent errors: what is left of each when it has ended, at a bounded rate.

Nothing is recorded before: an exchange without an error costs two comparisons at its end.
"""

from collections.abc import Callable

from nodeproxy.errors import ForwardsUsedUp
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.mesh.callers import caller_text
from nodeproxy.mesh.failures import Failure

RATE_MOST = 20  # a second and worker: more than a person reads; what is beyond is counted
HELD_MOST = 100  # while the control process is away
PATH_MOST = 256


class FailureLog:
    """The failures of one worker that have not been sent."""

    __slots__ = ("_held", "_now", "_second", "_taken", "_wall", "left_out")

    def __init__(self, now: Callable[[], float], wall: Callable[[], float]) -> None:
        """`now` returns monotonic seconds, `wall` seconds since 1970."""
        self._now = now
        self._wall = wall
        self._second = -1
        self._taken = 0
        self._held: list[Failure] = []
        self.left_out = 0
        """Beyond the rate, or not taken in time."""

    def note(self, exchange: Exchange, service_port: str, status: int, reason: str) -> None:
        """Note an exchange that has just ended; `reason` is "" for a response of an endpoint."""
        if reason == ForwardsUsedUp.reason:  # not a failure
            return
        second = int(self._now())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        if self._taken > RATE_MOST or len(self._held) >= HELD_MOST:
            self.left_out += 1
            return
        request = exchange.request
        self._held.append(
            Failure(
                self._wall(),
                service_port,
                status,
                reason,
                caller_text(*exchange.caller.labels),
                request.method.decode("latin-1"),
                request.path.partition(b"?")[0][:PATH_MOST].decode("latin-1"),
                exchange.tries,
                exchange.endpoint_name,
            )
        )

    def taken(self) -> list[Failure]:
        """Those that are held, which are then no longer."""
        some, self._held = self._held, []
        return some
