"""Rounds: a bounded amount of work per turn of the reactor, shared by those that have datagrams waiting.

The unit of work is a datagram that is passed on; one that begins a session is as much as SESSION of them.

Datagram sockets are watched level-triggered: one that is not read is reported again in the next turn, in the same
order. Without rounds the first few busy ones could use up every turn.
"""

from typing import Protocol

from nodeproxy.io.reactor import Reactor

PER_TURN = 64  # 0.5 ms: what else there is in a turn, such as requests, waits for no more than that
SESSION = 8  # measured: 55 us, and 7 us
PER_EVENT = 32  # from one socket in a row; a turn of its own for each would cost 3 us more


class InRounds(Protocol):
    """A watcher that takes part."""

    round: int
    """Owned by Rounds; 0 at first."""
    burst: int
    """How much work it is expected to have at once; owned by Rounds, 1 at first."""


class Rounds:
    """Every watcher has one event in a round; a round ends when no watcher waits for its event."""

    __slots__ = ("_current", "_denied", "_left", "_noted", "_reactor")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._current = 1
        self._left = PER_TURN
        self._denied = False
        self._noted = False

    def allowance(self, watcher: InRounds) -> int:
        """How much `watcher` may handle now, and the datagram that exceeds it; 0: its event will be reported again."""
        if not self._noted:
            self._noted = True
            self._reactor.flush_after_turn(self)
        if self._left <= 0:
            self._denied = True
            return 0
        if watcher.round == self._current:
            return 0
        watcher.round = self._current
        return watcher.burst

    def spend(self, watcher: InRounds, handled: int, allowed: int) -> None:
        """So much of what `watcher` was allowed has been handled.

        It has more at its next event where it had as many, so that one who has a single datagram now and then, like a
        resolver, does not pay for the look whether there is another one.
        """
        self._left -= handled
        if handled < allowed:
            watcher.burst = handled or 1
        elif allowed < PER_EVENT:
            watcher.burst = min(2 * allowed, PER_EVENT)

    def flush(self) -> None:
        """The turn is over; see `reactor.Flushed`."""
        self._noted = False
        self._left = PER_TURN
        if not self._denied:
            self._current += 1
        self._denied = False
