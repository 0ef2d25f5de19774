"""The budget of extra attempts of a service port: retries and hedges together."""

import sys
from collections import deque

from nodeproxy.exchange.exchange import Exchange, Tools

SLOTS = 10  # snapshots per interval: how exactly its beginning is known
NOTED_EVERY = 64  # exchanges between two snapshots at least; a power of two


class Load:
    """What is under way at a service port, counted by the outermost policy that makes extra attempts.

    It outlives every change of the budget's settings: exchanges and attempts that began before end here.
    """

    __slots__ = ("begun", "ended", "extra", "retrying", "snapshots", "taken")

    def __init__(self) -> None:
        self.begun = 0
        """Exchanges that have begun, ever."""
        self.ended = 0
        """Of those, exchanges that have a response head or have failed."""
        self.retrying = 0
        """Exchanges that are waiting for a retry, or in one."""
        self.extra = 0
        """Retries and hedges under way."""
        self.taken = 0
        """Retries and hedges, ever."""
        self.snapshots: deque[tuple[float, int, int]] = deque()
        """Times (monotonic seconds), with `begun` and `taken`: at most SLOTS + 1, the oldest an interval old."""

    @property
    def active(self) -> int:
        """Exchanges under way."""
        return self.begun - self.ended


class Budget:
    """Grants extra attempts.

    What begins within `interval_s` seconds is at most `ratio` of the exchanges that begin in them, so that endpoints
    have at most (1 + `ratio`) times the load of the clients. Without an interval, the same holds for what is under way
    at a time. `least` are always granted: hedges under way at a time, and retries per second of an interval, since
    requests that fail at once are so short that few at a time could be any number.
    """

    __slots__ = ("_decisions", "_interval_s", "_least", "_now", "_ratio", "load")

    def __init__(self, ratio: float, least: int, interval_s: float, load: Load, tools: Tools) -> None:
        self.load = load
        self._ratio = ratio
        self._least = least
        self._interval_s = interval_s
        self._now = tools.now
        self._decisions = tools.decisions

    def note(self) -> None:
        """NOTED_EVERY exchanges have begun: the interval has to be known before something fails."""
        if self._interval_s:
            self._since()

    def retry(self, exchange: Exchange, holding: bool) -> bool:
        """Whether an exchange whose attempt has failed may be sent again.

        `holding` says that this was a granted retry itself, whose place the next one takes. `retry_ended` follows once,
        when the exchange has ended or is given up.
        """
        load = self.load
        first, extra = load.active - load.retrying, load.extra
        if not (self._grants(first, extra - 1, exchange) if holding else self._grants(first - 1, extra, exchange)):
            return False
        load.taken += 1
        if not holding:
            load.retrying += 1
            load.extra += 1
        return True

    def retry_ended(self) -> None:
        """An exchange with granted retries has ended, or is given up."""
        self.load.retrying -= 1
        self.load.extra -= 1

    def hedge(self, exchange: Exchange, again: bool = False) -> bool:
        """Whether an exchange may have one more attempt beside those under way; `hedge_ended` follows a yes.

        A refusal is counted unless it is one `again`, for the same attempt.
        """
        load = self.load
        if not self._grants(load.active - load.retrying, load.extra, exchange, hedge=True, counted=not again):
            return False
        load.taken += 1
        load.extra += 1
        return True

    def hedge_ended(self) -> None:
        """A granted hedge has a response head, has failed or was cancelled."""
        self.load.extra -= 1

    def most(self) -> float:
        """How many extra attempts are granted now: under way at a time, or within the interval."""
        if self._interval_s:
            return max(self._least * self._interval_s, self._ratio * (self.load.begun - self._since()[1]))
        return max(self._least, self._ratio * (self.load.active - self.load.retrying))

    def _grants(self, first: int, extra: int, exchange: Exchange, hedge: bool = False, counted: bool = True) -> bool:
        """`first` attempts and `extra` ones are under way."""
        few = extra < self._least
        if self._interval_s:
            _, begun, taken = self._since()
            first, extra = self.load.begun - begun, self.load.taken - taken
            few = few if hedge else extra < self._least * self._interval_s
        if few or extra + 1 <= self._ratio * first:
            return True
        if counted:
            self._decisions.count("over-budget", exchange)
        return self._decisions.shadow

    def _since(self) -> tuple[float, int, int]:
        """What had begun, and had been taken, an interval ago, or later where that is not known.

        After a pause of an interval only the exchanges under way count.
        """
        now, snapshots = self._now(), self.load.snapshots
        if not snapshots or now - snapshots[-1][0] > self._interval_s:
            snapshots.clear()
            snapshots.append((now, self.load.ended, self.load.taken))
        elif now - snapshots[-1][0] >= self._interval_s / SLOTS:
            snapshots.append((now, self.load.begun, self.load.taken))
        while now - snapshots[0][0] > self._interval_s:
            snapshots.popleft()
        return snapshots[0]


def unlimited(tools: Tools) -> Budget:
    """A budget that grants everything."""
    return Budget(0.0, sys.maxsize, 0.0, Load(), tools)
