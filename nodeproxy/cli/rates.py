"""`top`: what has happened at each service port between two pages of `services`. Pure."""

import time

import msgspec
from rich.table import Table

from nodeproxy.cli.control_socket import NoAnswer
from nodeproxy.cli.node import table
from nodeproxy.mesh.names import named
from nodeproxy.mesh.node_view import PortView
from nodeproxy.mesh.rates import Totals, rate_between
from nodeproxy.mesh.reports import LATENCY_BOUNDS_S

_Key = tuple[str, str, str]


class Rate(msgspec.Struct, frozen=True):
    """One service port in an interval. Latencies are within the bounds of the histogram of /metrics."""

    namespace: str
    service: str
    port: str
    requests_per_s: float
    error_ratio: float
    """Responses of 500 and above."""
    p50_s: float | None
    """None where no request has ended."""
    p99_s: float | None
    retries_per_s: float
    active: int
    endpoints: int
    usable: int


class Interval(msgspec.Struct, frozen=True):
    """All service ports, those with most requests first."""

    time: float
    """Its end, seconds since 1970."""
    seconds: float
    services: tuple[Rate, ...]


class Rates:
    """Compares each page with the one before; `name` is the only service, "" for all."""

    def __init__(self, name: str = "") -> None:
        found = named(name)
        # a name that is none matches no service, and is shown as it is
        self._only = None if not name else (found.namespace, found.service) if found is not None else ("", name)
        self._before: tuple[float, dict[_Key, PortView]] | None = None

    def after(self, text: bytes, now: float) -> Interval | None:
        """The interval that ends with this page, read at `now` (monotonic seconds); None for the first page."""
        views = msgspec.json.decode(text, type=list[PortView])
        page = {(each.namespace, each.service, each.port): each for each in views if self._wanted(each)}
        last, self._before = self._before, (now, page)
        if last is None:
            return None
        before_at, before = last
        elapsed_s = max(now - before_at, 1e-3)
        found = [rate(before.get(key), view, elapsed_s) for key, view in page.items()]
        found.sort(key=lambda each: (-each.requests_per_s, each.namespace, each.service, each.port))
        return Interval(round(time.time(), 3), round(elapsed_s, 3), tuple(found))

    def _wanted(self, view: PortView) -> bool:
        return self._only in (None, (view.namespace, view.service))


def rate(before: PortView | None, now: PortView, elapsed_s: float) -> Rate:
    """What has happened at a port since `before`; None, or a number that went back, means that its counters began."""
    past = Totals() if before is None or now.requests < before.requests else _totals(before)
    found = rate_between(past, _totals(now), elapsed_s)
    requests = now.requests - past.requests
    return Rate(
        now.namespace,
        now.service,
        now.port,
        found.requests_per_s,
        round((now.errors - past.errors) / requests, 4) if requests else 0.0,
        found.p50_s,
        found.p99_s,
        found.retries_per_s,
        now.active,
        now.endpoints,
        now.usable,
    )


def _totals(view: PortView) -> Totals:
    return Totals(view.requests, view.errors, view.retries, view.durations)


def rates_table(interval: Interval) -> Table:
    """An interval for a reader."""
    made = table("service", "port", "requests/s", "5xx", "p50", "p99", "retries/s", "active", "usable")
    made.title = f"in {interval.seconds:.1f} s, {sum(each.requests_per_s for each in interval.services):.0f} requests/s"
    for each in interval.services:
        numbers = (f"{each.requests_per_s:.1f}", f"{each.error_ratio:.1%}", shown_s(each.p50_s), shown_s(each.p99_s))
        state = (f"{each.retries_per_s:.1f}", str(each.active), f"{each.usable} of {each.endpoints}")
        made.add_row(f"{each.service}.{each.namespace}", each.port, *numbers, *state)
    if not interval.services:
        made.caption = "no such service has been called from this node"
    return made


def shown_s(duration_s: float | None) -> str:
    """A duration for a reader: 1.3 ms, 2.50 s; the highest bound means "or more"."""
    if duration_s is None:
        return "-"
    if duration_s >= LATENCY_BOUNDS_S[-1]:
        return f"> {LATENCY_BOUNDS_S[-1]:g} s"
    return f"{duration_s:.2f} s" if duration_s >= 1 else f"{duration_s * 1000:.1f} ms"


def as_json(interval: Interval) -> str:
    """An interval for a program, as one line."""
    return msgspec.json.encode(interval).decode()


def interval_of(line: bytes) -> Interval:
    """An interval from its line of JSON.

    Raises:
        NoAnswer: it has another form, as of another version of nodeproxy.
    """
    try:
        return msgspec.json.decode(line, type=Interval)
    except msgspec.DecodeError as error:
        raise NoAnswer(f"the node runs a version that answers otherwise: {error}") from error
