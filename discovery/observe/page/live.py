"""The rates of all service ports, once a second while a reader looks: once for all readers, only what changes."""

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic, time

from discovery.observe.page.events import Feed, event
from discovery.observe.page.history import History
from discovery.observe.ports import state_of
from discovery.workers.reports import Reports
from nodeproxy.mesh.rates import Rate, Totals, rate_between
from nodeproxy.mesh.reports import UNROUTED, PortKey

TICK_S = 1.0
LOOKS = 3  # compared are the newest and the oldest: workers report once a second, not in step with this process

Row = tuple[str, str, float, float, float, float | None, float | None, int, int, int]
"""Name and port, requests, errors and retries per second, p50 and p99, endpoints, usable ones, requests in flight."""
_Looks = deque[tuple[float, Totals]]


class Live:
    """The feed of the events `rates`."""

    def __init__(self, reports: Reports, history: History, now: Callable[[], float] = monotonic) -> None:
        self.feed = Feed()
        self._reports = reports
        self._history = history
        self._now = now
        self._changed: set[PortKey] = set()
        self._looks: dict[PortKey, _Looks] = {}
        self._rows: dict[PortKey, Row] = {}
        self._rates: dict[PortKey, Rate] = {}

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Makes an event a second while there is a reader, forever."""
        while True:
            await self.feed.until_wanted()
            self.begin()
            try:
                while self.feed.readers:
                    await sleep(TICK_S)
                    self.tick()
            finally:
                self.end()

    def begin(self) -> None:
        """Notes from now on which ports are reported."""
        self._changed = self._reports.follow_changes()

    def end(self) -> None:
        """Notes nothing more."""
        self._reports.unfollow_changes(self._changed)
        self._looks, self._rows, self._rates = {}, {}, {}

    def tick(self) -> None:
        """Looks at the ports that were reported since the last look, and at those with a rate.

        The event is sent without rows too: a reader that receives none for some seconds shows its numbers as stale.
        """
        now = self._now()
        looked_at = {*self._looks, *self._changed} - {UNROUTED}
        self._changed.clear()
        rows = [row for key in looked_at if (row := self._row(key, now)) is not None]
        self.feed.put(event("rates", {"at": time(), "ports": rows}))

    def rates(self) -> dict[PortKey, Rate]:
        """The newest rates: of the last seconds, where a reader looks already, else of the last step of the history."""
        return {**self._history.rates(), **self._rates}

    def _row(self, key: PortKey, now: float) -> Row | None:
        """The row of this port, if it differs from the one before."""
        rate = self._rate(key, now)
        state = state_of(self._reports.states_of(key))
        name = f"{key.service}.{key.namespace}"
        row: Row = (name, key.port, *rate, state.endpoints, state.usable, state.active)
        if self._rows.get(key) == row:
            return None
        self._rows[key] = row
        return row

    def _rate(self, key: PortKey, now: float) -> Rate:
        totals = self._reports.totals_of(key)
        looks = self._looks.get(key)
        if looks is None:
            looks = self._looks[key] = deque(((self._history.looked_at, self._before(key, totals)),), LOOKS)
        began_at, before = looks[0]
        looks.append((now, totals))
        if before == totals:
            if len(looks) == LOOKS:
                del self._looks[key]
            self._rates[key] = Rate()
            return Rate()
        rate = self._rates[key] = rate_between(before, totals, max(now - began_at, 1e-3))
        return rate

    def _before(self, key: PortKey, now: Totals) -> Totals:
        before = self._history.totals.get(key)
        return before if before is not None else Totals() if self._history.whole else now
