"""Exchanges that failed, for the list of recent errors: what is left of each when it has ended, at a bounded rate.

Nothing is recorded before: an exchange without an error costs two comparisons at its end.
"""

from collections.abc import Callable

from nodeproxy.errors import ForwardsUsedUp
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.mesh.callers import caller_text
from nodeproxy.mesh.failures import Failure

ORDERLY = frozenset({ForwardsUsedUp.reason, "drained", "cancelled"})
"""Reasons of what has ended otherwise than by an endpoint's response, and is no failure."""
RATE_MOST = 20  # a second and worker: more than a person reads; what is beyond is counted
HELD_MOST = 100  # while the control process is away
TEXT_MOST = 256  # bytes of a path; longer ones are cut off


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
        if reason in ORDERLY or not self._may_take():
            return
        request = exchange.request
        method, path = _text(request.method), _text(request.path.partition(b"?")[0])
        caller, tries = caller_text(*exchange.caller.labels), exchange.tries
        endpoint = exchange.endpoint_name
        self._held.append(Failure(self._wall(), service_port, status, reason, caller, method, path, tries, endpoint))

    def note_refused(self, status: int, reason: str, caller: tuple[str, str]) -> None:
        """Note what came from this caller in the place of a request."""
        if self._may_take():
            self._held.append(Failure(self._wall(), "", status, reason, caller_text(*caller), "", "", 0, ""))

    def _may_take(self) -> bool:
        second = int(self._now())
        if second != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        if self._taken > RATE_MOST or len(self._held) >= HELD_MOST:
            self.left_out += 1
            return False
        return True

    def taken(self) -> list[Failure]:
        """Those that are held, which are then no longer."""
        some, self._held = self._held, []
        return some


def _text(received: bytes) -> str:
    return received[:TEXT_MOST].decode("latin-1")
