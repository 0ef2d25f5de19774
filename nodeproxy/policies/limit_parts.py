"""Which bucket of a limit counts a request: one for all, one per caller, one per value of a field, one per rule."""

from collections.abc import Callable, Mapping
from posixpath import normpath
from typing import Protocol
from urllib.parse import unquote_to_bytes

from nodeproxy.exchange.exchange import Exchange
from nodeproxy.limits.buckets import Bucket, Buckets
from nodeproxy.limits.memory import hashed, region_of
from nodeproxy.policies.caller_key import caller_of

CALLERS_MOST = 2048  # whose buckets a worker remembers the place of; beyond, it computes them again
SWEEP_EVERY_S = 1.0  # how often a worker looks for values that no longer need a bucket of their own
Numbers = tuple[float, float]
"""Requests per second and burst."""


class Part(Protocol):
    """One limit."""

    def bucket(self, exchange: Exchange) -> Bucket | None:
        """The bucket that counts this request; None if the limit does not."""
        ...


class Always:
    """One bucket for all requests."""

    __slots__ = ("only",)

    def __init__(self, only: Bucket) -> None:
        self.only = only

    def bucket(self, exchange: Exchange) -> Bucket | None:
        """See Part."""
        return self.only


class PerCaller:
    """A bucket for each calling workload; for each address of clients that are no pod of this node."""

    __slots__ = ("_all", "_known", "_own", "_port")

    def __init__(self, port: str, all_alike: Numbers | None, own: Mapping[tuple[str, str | None], Numbers]) -> None:
        """`own` are the limits of some: by namespace and workload, or by namespace and None for each of it."""
        self._port = port
        self._all = all_alike
        self._own = own
        self._known: dict[tuple[str, str], Bucket | None] = {}

    def bucket(self, exchange: Exchange) -> Bucket | None:
        """See Part."""
        caller = caller_of(exchange)
        try:
            return self._known[caller]
        except KeyError:
            if len(self._known) >= CALLERS_MOST:
                self._known.clear()
            bucket = self._known[caller] = self._make(*caller)
            return bucket

    def _make(self, namespace: str, workload: str) -> Bucket | None:
        own = None
        if namespace:
            own = self._own.get((namespace, workload)) or self._own.get((namespace, None))
        numbers = own or self._all
        if numbers is None:
            return None
        key = hashed(self._port, "caller", namespace, workload)
        return Bucket("override" if own else "caller", region_of(self._port), key, *numbers)


class ByHeader:
    """A bucket for each value of a field, for a bounded number of values; one bucket for all others."""

    __slots__ = ("_buckets", "_known", "_most", "_name", "_now", "_numbers", "_others", "_port", "_swept_at")

    def __init__(
        self, port: str, name: bytes, numbers: Numbers, most: int, buckets: Buckets, now: Callable[[], float]
    ) -> None:
        self._port = port
        self._name = name
        self._numbers = numbers
        self._most = most
        self._buckets = buckets
        self._now = now
        self._known: dict[bytes, Bucket] = {}
        self._others = self._make("others", "")
        self._swept_at = 0.0

    def bucket(self, exchange: Exchange) -> Bucket | None:
        """See Part."""
        value = exchange.request.fields.get(self._name)
        if value is None:
            return None
        bucket = self._known.get(value)
        if bucket is None:
            if len(self._known) >= self._most and not self._swept():
                return self._others
            bucket = self._known[value] = self._make("value", value.decode("latin-1"))
        return bucket

    def _swept(self) -> bool:
        """Whether there is room for another value, now that those whose bucket is full again were dropped."""
        now = self._now()
        if now - self._swept_at < SWEEP_EVERY_S:
            return False
        self._swept_at = now
        self._known = {
            value: bucket for value, bucket in self._known.items() if self._buckets.left(bucket, now) < bucket.burst
        }
        return len(self._known) < self._most

    def _make(self, kind: str, value: str) -> Bucket:
        key = hashed(self._port, "header", self._name.decode().lower(), kind, value)
        return Bucket("header", region_of(self._port), key, *self._numbers)


class ByRule:
    """One bucket for the requests with one of some methods (none: any) below a path."""

    __slots__ = ("_below", "_methods", "_only", "_prefix")

    def __init__(self, methods: frozenset[bytes], prefix: bytes, only: Bucket) -> None:
        self._methods = methods
        self._prefix = prefix.rstrip(b"/")
        self._below = self._prefix + b"/"
        self._only = only

    def bucket(self, exchange: Exchange) -> Bucket | None:
        """See Part."""
        request = exchange.request
        if self._methods and request.method not in self._methods:
            return None
        if self._prefix:
            path = plain_path(request.path)
            if path != self._prefix and not path.startswith(self._below):
                return None
        return self._only


def plain_path(target: bytes) -> bytes:
    """The path of a request without its query, as most servers resolve it: another spelling is no way around a rule.

    Source: RFC 3986, 6.2.2 (percent-encoding) and 5.2.4 (dot segments).
    """
    path = target.partition(b"?")[0]
    if b"%" in path or b"/." in path or b"//" in path:
        path = normpath(b"/" + unquote_to_bytes(path).lstrip(b"/"))
    return path
