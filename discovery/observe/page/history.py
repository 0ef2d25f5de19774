"""The last five minutes of each service port with traffic: requests, errors and p99 in steps of five seconds.

It is kept whether the page is open or not, so what it costs is bounded: a step looks at the ports that workers have
reported since the last one, and a port has 180 numbers of four bytes.
"""

from array import array
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic

import msgspec

from discovery.workers.reports import Reports
from nodeproxy.mesh.rates import Rate, Totals, rate_between
from nodeproxy.mesh.reports import UNROUTED, PortKey

STEP_S = 5.0  # workers report once a second: a step has four to six reports
POINTS = 60
NONE = float("nan")  # JSON has null for it


class Series(msgspec.Struct, frozen=True):
    """The points of one service port, the oldest first."""

    step_s: float
    requests: list[float]
    """Per second."""
    errors: list[float]
    p99: list[float]
    """Seconds; null where no request has ended."""


NOTHING = Series(STEP_S, [], [], [])


class _Ring:
    """POINTS values each of three numbers, by the number of their step; a step without traffic is not put."""

    __slots__ = ("_values", "last")

    def __init__(self, number: int) -> None:
        self.last = number - 1
        self._values = array("f", [0.0] * (2 * POINTS) + [NONE] * POINTS)

    def put(self, number: int, rate: Rate) -> None:
        for silent in range(max(self.last + 1, number - POINTS + 1), number):
            self._set(silent, 0.0, 0.0, None)
        self._set(number, rate.requests_per_s, rate.errors_per_s, rate.p99_s)
        self.last = number

    def series(self, number: int) -> Series:
        """The points up to the step of this number."""
        values, places = self._values, [each % POINTS for each in range(number - POINTS + 1, number + 1)]
        silent = min(POINTS, number - self.last)
        kept = places[: POINTS - silent]
        return Series(
            STEP_S,
            [round(values[at], 2) for at in kept] + [0.0] * silent,
            [round(values[POINTS + at], 2) for at in kept] + [0.0] * silent,
            [round(values[2 * POINTS + at], 6) for at in kept] + [NONE] * silent,
        )

    def _set(self, number: int, requests: float, errors: float, p99_s: float | None) -> None:
        at = number % POINTS
        self._values[at], self._values[POINTS + at] = requests, errors
        self._values[2 * POINTS + at] = NONE if p99_s is None else p99_s


class History:
    """The history of all service ports."""

    def __init__(self, reports: Reports, now: Callable[[], float] = monotonic) -> None:
        self._reports = reports
        self._now = now
        self._changed = reports.follow_changes()
        self._rings: dict[PortKey, _Ring] = {}
        self._totals: dict[PortKey, Totals] = {}
        self._rates: dict[PortKey, Rate] = {}
        self._number = 0
        self._whole = False  # whether every worker had reported before this step, so that a new port began at 0
        self.looked_at = now()
        """When the last step ended."""

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Adds a step every STEP_S seconds, forever."""
        while True:
            await sleep(STEP_S)
            self.step()

    def step(self) -> None:
        """Adds what has happened since the last step."""
        now = self._now()
        elapsed_s, self.looked_at = max(now - self.looked_at, 1e-3), now
        self._number += 1
        self._rates = {}
        changed = list(self._changed)
        self._changed.clear()
        for key in changed:
            self._note(key, elapsed_s)
        self._whole = self._reports.complete
        if self._number % POINTS == 0:
            self._forget()

    def _note(self, key: PortKey, elapsed_s: float) -> None:
        totals = self._reports.totals_of(key)
        before = self._totals.get(key)
        if before == totals or key == UNROUTED or (before is None and not totals.requests):
            return
        self._totals[key] = totals
        if before is None and not self._whole:
            return  # the counters are older than this process: how fast they have grown is unknown
        rate = rate_between(before or Totals(), totals, elapsed_s)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = _Ring(self._number)
        ring.put(self._number, rate)
        self._rates[key] = rate

    def _forget(self) -> None:
        self._rings = {key: ring for key, ring in self._rings.items() if ring.last > self._number - POINTS}
        gone = [key for key in self._totals if not self._reports.requests_of(key)]
        for key in gone:
            del self._totals[key]

    @property
    def totals(self) -> dict[PortKey, Totals]:
        """The totals of each port at the last step, of those with requests."""
        return self._totals

    @property
    def whole(self) -> bool:
        """Whether a port that is not among `totals` had no request."""
        return self._whole

    @property
    def requests_per_s(self) -> float:
        """Of all ports, in the last step."""
        return sum(rate.requests_per_s for rate in self._rates.values())

    @property
    def errors_per_s(self) -> float:
        """Of all ports, in the last step."""
        return sum(rate.errors_per_s for rate in self._rates.values())

    def rates(self) -> dict[PortKey, Rate]:
        """The rates in the last step, of the ports with traffic."""
        return self._rates

    def series(self, keys: Iterable[PortKey]) -> dict[PortKey, Series]:
        """The history of those of `keys` that have one."""
        rings, number = self._rings, self._number
        return {key: rings[key].series(number) for key in keys if key in rings}
