"""Token buckets that count for a whole node, whichever worker a request came to.

A bucket is stored as what was taken from it and has not drained yet. One that has drained says nothing that a new one
would not say, so its slot may be used for another: the memory is bounded and needs no clean-up. What was taken is in
tokens and the rate is the settings', so a bucket stays valid when its limit changes.
"""

from collections.abc import Sequence
from fcntl import LOCK_EX, LOCK_UN, lockf
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from nodeproxy.limits.leases import Exhausted, Lease, Leases, Unleased
from nodeproxy.limits.memory import BUCKET_BYTES, BUCKETS, REGION_BYTES, Memory

PROBES = 8  # slots that a key may be in; at half load, fewer than 1 of 100 keys finds all of them in use
ROUNDING = 1e-9  # tokens: a request at the very time it was told to come again is not refused for the last bit
_SLOT = Struct("<Qddd")  # key, level (tokens taken), when that was (monotonic seconds), when it will have drained
_read, _write = _SLOT.unpack_from, _SLOT.pack_into


class Bucket:
    """A key in a region, and the limit it has by the settings of now. `name` tells limits apart for people."""

    __slots__ = ("at", "burst", "key", "name", "rate", "region")

    def __init__(self, name: str, region: int, key: int, rate: float, burst: float) -> None:
        self.name = name
        self.region = region
        self.key = key
        self.rate = rate
        """Tokens per second."""
        self.burst = burst
        self.at = region * REGION_BYTES + key % BUCKETS * BUCKET_BYTES
        """Where it was found last."""


class Refusal(NamedTuple):
    """A request that must not pass now."""

    limit: str
    """The name of the limit that refuses it: of several the one that refuses longest."""
    wait_s: float
    """After how long it might pass."""


class Buckets:
    """All buckets of a node. `memory` without a descriptor is of this process alone and is not locked."""

    def __init__(self, memory: Memory, locked: bool = True) -> None:
        self.evicted = 0
        """How often a bucket lost its slot to another key while there was still something taken from it."""
        self.leases = Leases(memory)
        self._memory = memory
        self._view = memory.view
        self._descriptor = memory.descriptor
        self._locked = locked and memory.descriptor >= 0

    @classmethod
    def private(cls) -> "Buckets":
        """New buckets of this process alone."""
        return cls(Memory(), locked=False)

    def take(self, bucket: Bucket, now: float) -> Refusal | None:
        """Take a token; returns a refusal if there is none."""
        locked = self._locked
        if locked:
            lockf(self._descriptor, LOCK_EX, 1, bucket.region)
        try:  # `_level` written out: with it and `Memory.lock` it takes 0.3 us more
            key, level, since, drained_at = _read(self._view, bucket.at)
            if key != bucket.key:
                level = self._find(bucket, now)
            elif now >= drained_at:
                level = 0.0
            else:
                level -= (now - since) * bucket.rate
                if level < 0.0:
                    level = 0.0
            after = level + 1.0
            if after <= bucket.burst + ROUNDING:
                _write(self._view, bucket.at, bucket.key, after, now, now + after / bucket.rate)
                return None
        finally:
            if locked:
                lockf(self._descriptor, LOCK_UN, 1, bucket.region)
        return Refusal(bucket.name, (after - bucket.burst) / bucket.rate)

    def paced(self, bucket: Bucket, now: float) -> bool:
        """Whether it has a token for a request, which is taken; for a stream of requests at an even rate.

        After a pause in which it has drained there is one token, and the next comes an interval later: no burst. The
        rest of the burst is for what the stream lags behind, because requests do not come at the very times of tokens.
        """
        locked = self._locked
        if locked:
            self._memory.lock(bucket.region)
        try:
            level = self._level(bucket, now) or bucket.burst - 1.0
            after = level + 1.0
            if after > bucket.burst + ROUNDING:
                return False
            _write(self._view, bucket.at, bucket.key, after, now, now + after / bucket.rate)
            return True
        finally:
            if locked:
                self._memory.unlock(bucket.region)

    def take_all(
        self, buckets: Sequence[Bucket], lease: Lease | None, now: float, noted: Bucket | None = None
    ) -> Refusal | Exhausted | Unleased | None:
        """Take a token from each of `buckets`, all of one region, and from `lease`, or none from any.

        Returns None if all were taken; `Unleased` if the lease is not in force. `noted` counts what was taken, up to
        its burst, and refuses nothing.
        """
        region = lease.region if lease is not None else buckets[0].region
        locked = self._locked or (lease is not None and self._memory.descriptor >= 0)  # the control process writes it
        if locked:
            self._memory.lock(region)
        try:
            levels, refused = [], False
            for bucket in buckets:
                level = self._level(bucket, now) + 1.0
                levels.append(level)
                if level > bucket.burst + ROUNDING:
                    refused = True
            if refused:
                return _longest(buckets, levels)
            if lease is not None and (answer := self.leases.take(lease, now)) is not None:
                return answer
            if noted is not None:
                buckets = (*buckets, noted)
                levels.append(min(noted.burst, self._level(noted, now) + 1.0))
            view = self._view
            for bucket, level in zip(buckets, levels, strict=True):
                _write(view, bucket.at, bucket.key, level, now, now + level / bucket.rate)
            return None
        finally:
            if locked:
                self._memory.unlock(region)

    def left(self, bucket: Bucket, now: float) -> float:
        """The tokens that it has now, for information only."""
        key, level, since, drained_at = _read(self._view, bucket.at)
        if key != bucket.key or now >= drained_at:
            return bucket.burst
        left: float = bucket.burst - level + (now - since) * bucket.rate
        return max(0.0, min(bucket.burst, left))

    def _level(self, bucket: Bucket, now: float) -> float:
        """The tokens taken and not drained; `bucket.at` is its slot then."""
        key, level, since, drained_at = _read(self._view, bucket.at)
        if key != bucket.key:
            return self._find(bucket, now)
        if now >= drained_at:
            return 0.0
        left: float = level - (now - since) * bucket.rate
        return left if left > 0.0 else 0.0

    def _find(self, bucket: Bucket, now: float) -> float:
        """Let `bucket.at` be its slot: the one with its key, else one that has drained, else the next to drain.

        A key that takes the slot of another begins with what was taken from that one: a full table makes limits
        stricter for new keys, and looser only for the key that is nearest to having nothing taken.
        """
        base, home = bucket.region * REGION_BYTES, bucket.key % BUCKETS
        earliest, chosen, left = float("inf"), base, 0.0
        for probe in range(PROBES):
            at = base + (home + probe) % BUCKETS * BUCKET_BYTES
            key, level, since, drained_at = _read(self._view, at)
            if key == bucket.key:
                bucket.at = at
                return self._level(bucket, now)
            if drained_at < earliest:
                earliest, chosen = drained_at, at
                left = level * (drained_at - now) / (drained_at - since) if drained_at > now else 0.0
        bucket.at = chosen
        if left > 0.0:
            self.evicted += 1
        _write(self._view, chosen, bucket.key, min(left, bucket.burst), now, max(now, earliest))
        return min(left, bucket.burst)


def _longest(buckets: Sequence[Bucket], levels: Sequence[float]) -> Refusal:
    """The refusal of the bucket that is longest above its burst; `levels` are with the token that was asked for."""
    waits = ((level - bucket.burst) / bucket.rate for bucket, level in zip(buckets, levels, strict=True))
    wait_s, bucket = max(zip(waits, buckets, strict=True), key=itemgetter(0))
    return Refusal(bucket.name, wait_s)
