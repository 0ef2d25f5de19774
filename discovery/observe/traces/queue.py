"""What waits for export, within a bound, and the counters of spans; they exist without a collector too."""

from collections.abc import Callable
from dataclasses import dataclass, field

from nodeproxy.mesh.samples import ExchangeSample, Samples

HELD_MOST = 4096  # exchanges; about 8 MB, 40 s of 100 traced requests a second
FULL, REJECTED, UNREACHABLE = "queue-full", "rejected", "unreachable"


@dataclass(slots=True)
class SpanCounters:
    """What became of spans."""

    exported: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: {FULL: 0, REJECTED: 0, UNREACHABLE: 0})
    """By reason: the queue was full, the collector has refused them, or it did not take them in time."""


class SpanQueue:
    """Exchanges whose spans have not been exported; the newest are dropped, and counted, while it is full."""

    def __init__(self, counters: SpanCounters) -> None:
        self.counters = counters
        self.stir: Callable[[], object] = bool
        """Called when something is added."""
        self._held: list[ExchangeSample] = []

    def __len__(self) -> int:
        """How many exchanges wait."""
        return len(self._held)

    def add(self, samples: Samples) -> None:
        """Take what is traced of a batch of a worker; what taps have asked for is not."""
        traced = [each for each in samples.exchanges if each.trace is not None and not each.taps]
        room = HELD_MOST - len(self._held)
        self._held += traced[:room]
        for sample in traced[room:]:
            self.counters.dropped[FULL] += 1 + len(sample.attempts)
        if self._held:
            self.stir()

    def take(self, most: int) -> list[ExchangeSample]:
        """Take the oldest out."""
        taken, self._held = self._held[:most], self._held[most:]
        return taken
