"""The worker's samples of exchanges on their way to the control process: held in a bounded list, sent in batches."""

from collections.abc import Awaitable, Callable

import trio

from nodeproxy.mesh.samples import BATCH_MOST, ExchangeSample, Row, encoded, line_of
from nodeproxy.telemetry.stats import WorkerStats

HELD_MOST = 4096  # about 2 MB; at 10,000 requests a second all traced, four rounds
ROUND_S = 0.1
BATCHES_MOST = 32  # in a row, before the hot lane has the next round


class SampleQueue:
    """Samples that have not been sent; the newest are dropped, and counted, while it is full."""

    def __init__(self, stats: WorkerStats) -> None:
        self._stats = stats
        self._held: list[bytes] = []

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    def add(self, sample: ExchangeSample | Row) -> None:
        """Hold one sample until it is sent; may be called from the hot lane."""
        if len(self._held) < HELD_MOST:
            self._held.append(encoded(sample))
        else:
            self._stats.samples_lost += 1

    async def send(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is added, forever, on a new connection. `send` waits while the other end does not read."""
        while True:
            for _ in range(BATCHES_MOST):
                if not self._held:
                    break
                batch, self._held = self._held[:BATCH_MOST], self._held[BATCH_MOST:]
                await send(line_of(batch))
            await trio.sleep(ROUND_S)
