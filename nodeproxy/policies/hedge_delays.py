"""When the races of a service port may begin their hedges. Most races are over before."""

from math import inf
from typing import Protocol

from nodeproxy.io.reactor import Reactor


class Hedged(Protocol):
    """A race, as far as its delay concerns it."""

    def hedge(self) -> bool:
        """See `race.Race.hedge`."""
        ...


class Delays:
    """The races whose delay has not passed, in the order in which they came, with one timer for all of them.

    Their delays are alike, so that the first is due first; where a delay has become shorter, those behind a longer one
    wait for that one. That makes an entry that is dropped as cheap as one of a dictionary.
    """

    __slots__ = ("_timer_at", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Hedged, tuple[float, float]] = {}  # when it is due, and its delay
        self._timer_at = inf

    def put(self, race: Hedged, delay_s: float, reactor: Reactor) -> None:
        """Let `race` hedge after `delay_s` seconds, each time that it may; never, if that is infinite."""
        if delay_s == inf:
            return
        at = reactor.now + delay_s
        self._waiting[race] = at, delay_s
        if self._timer_at == inf:
            self._set(at, reactor)

    def drop(self, race: Hedged) -> None:
        """`race` is over."""
        self._waiting.pop(race, None)

    def _set(self, at: float, reactor: Reactor) -> None:
        self._timer_at = at
        reactor.call_at(at, lambda: self._look(reactor))

    def _look(self, reactor: Reactor) -> None:
        self._timer_at = inf
        waiting = self._waiting
        while waiting:
            race = next(iter(waiting))
            at, delay_s = waiting[race]
            if at > reactor.now:
                self._set(at, reactor)
                return
            del waiting[race]
            if race.hedge():
                waiting[race] = reactor.now + delay_s, delay_s  # behind all others, and this loop sets the timer
