"""Taps: the control process asks the workers for samples of single exchanges while an operator looks at them.

`StartTap` goes down the connection, and again to each worker that connects while the tap is on; samples with the tap's
number come up, and once a second what was left out. A worker whose connection ends stops all taps.
"""

import msgspec

TAPS_MOST = 4  # at once on a node: each is a comparison or two per request of a worker
EVERY_STATUS = (0, 999)
RATE_MOST = 100  # samples a second of one tap and worker: more than a person reads; what is beyond is counted


class TapFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which exchanges a tap is for. What the head of a request decides, decides whether it is recorded at all."""

    service: str
    """Its key, `<namespace>/<name>`."""
    port: int = 0
    """One of its ports; 0 for all."""
    path: str = ""
    """What the request target begins with; "" for all."""
    method: str = ""
    namespace: str = ""
    """Of the caller; "" for all."""
    workload: str = ""
    """Of the caller; "" for all."""
    statuses: tuple[int, int] = EVERY_STATUS
    """First and last status; 0 is that of a client that has gone before its response."""
    slower_than_s: float = 0.0

    @property
    def by_end(self) -> bool:
        """Whether only the end of an exchange shows if it is meant."""
        return self.statuses != EVERY_STATUS or self.slower_than_s > 0.0


class StartTap(msgspec.Struct, frozen=True, tag="tap"):
    """Send samples of what this filter lets through, under this number."""

    number: int
    filter: TapFilter


class StopTap(msgspec.Struct, frozen=True, tag="untap"):
    """Send no more samples for the tap of this number."""

    number: int


class TapLeftOut(msgspec.Struct, frozen=True, tag="tap-left-out"):
    """How many samples of a tap this worker has left out so far, beyond RATE_MOST a second."""

    number: int
    left_out: int
