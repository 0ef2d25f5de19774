"""How long a service port takes to answer: one quantile of its recent latencies, in bounded memory."""

from math import inf, log

GROWTH = 1.05  # from bucket to bucket: how exact the quantile is
SHORTEST_S = 1e-4
BUCKETS = 1 + int(log(1e6) / log(GROWTH))  # up to 100 s
PER_LOG = 1 / log(GROWTH)
WINDOW = 1024  # the quantile is that of the last 1024 to 2048 latencies
EVERY = 128  # latencies between two computations of it
KNOWN = 128  # latencies before there is one: its tail must have some


class Latencies:
    """A histogram with logarithmic buckets, in two generations: what is older than both is forgotten.

    The quantile is at most 5 percent too long, never too short.
    """

    __slots__ = ("_counts", "_last", "_number", "_share", "_sum_last", "quantile_s")

    def __init__(self, share: float, before: "Latencies | None" = None) -> None:
        """`share` is the quantile's, between 0 and 1. What `before` has learned is taken over."""
        self._share = share
        self._counts = [0] * BUCKETS
        self._last = [0] * BUCKETS
        self._number = self._sum_last = 0
        self.quantile_s = inf
        """Seconds; infinite while not enough latencies are known."""
        if before is not None:
            self._counts, self._last = before._counts[:], before._last[:]
            self._number, self._sum_last = before._number, before._sum_last
            self._compute()

    def add(self, seconds: float) -> None:
        """Take note of one latency."""
        bucket = int(log(seconds / SHORTEST_S) * PER_LOG) + 1 if seconds > SHORTEST_S else 0
        self._counts[bucket if bucket < BUCKETS else -1] += 1
        self._number += 1
        if not self._number % EVERY:
            self._compute()

    def _compute(self) -> None:
        total = self._number + self._sum_last
        if total >= KNOWN:
            beyond = total - total * self._share  # how many latencies are longer
            bucket = BUCKETS - 1
            for counted, counted_last in zip(reversed(self._counts), reversed(self._last), strict=True):
                beyond -= counted + counted_last
                if beyond < 0:
                    break
                bucket -= 1
            self.quantile_s = SHORTEST_S * GROWTH ** max(bucket, 0)
        if self._number >= WINDOW:
            self._last, self._counts = self._counts, [0] * BUCKETS
            self._number, self._sum_last = 0, self._number
