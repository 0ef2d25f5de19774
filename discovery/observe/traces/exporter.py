"""Exports what waits in the queue, one batch after another; a slow or dead collector costs spans, which are counted."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
from anyio import to_thread

from discovery.log import log_event
from discovery.observe.traces.collector import Answer, Collector, compressed
from discovery.observe.traces.queue import REJECTED, UNREACHABLE, SpanQueue
from discovery.observe.traces.spans import request_of
from nodeproxy.mesh.samples import ExchangeSample

BATCH_MOST = 256  # exchanges in one request: with two spans each, the 512 of OpenTelemetry's own exporters
ROUND_S = 1.0  # between two requests while less than a batch waits
BACKOFF_S, BACKOFF_MOST_S = 1.0, 30.0  # the specification asks for exponential backoff with jitter
RETRY_AFTER_MOST_S = 120.0  # longer waits that a collector asks for are cut
GIVE_UP_S = 60.0  # of one batch: newer spans are worth more than these
LAST_S = 2.0  # for what waits when the process ends


@dataclass(frozen=True, slots=True)
class World:
    """Time and chance of an exporter; tests pass their own."""

    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    random: Callable[[], float]


class Exporter:
    """Sends the spans of `queue` to `collector`, with the attributes `resource` of this node."""

    def __init__(self, queue: SpanQueue, collector: Collector, resource: dict[str, str], world: World) -> None:
        self._queue = queue
        self._collector = collector
        self._resource = resource
        self._world = world
        self._failing = False

    async def run(self) -> None:
        """Export until cancelled, and then once more what waits."""
        try:
            while True:
                await self._until_something()
                await self._export(self._queue.take(BATCH_MOST))
                if len(self._queue) < BATCH_MOST:
                    await self._world.sleep(ROUND_S)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(LAST_S):
                if left := self._queue.take(BATCH_MOST):
                    body, spans = await self._encoded(left)
                    self._count(await self._collector.export(body, spans), spans)
                await self._collector.close()

    async def _until_something(self) -> None:
        if not len(self._queue):
            something = anyio.Event()
            self._queue.stir = something.set
            await something.wait()
            self._queue.stir = bool

    async def _export(self, samples: Sequence[ExchangeSample]) -> None:
        """Send one batch, again while the collector may take it later, for GIVE_UP_S at most."""
        body, spans = await self._encoded(samples)
        world, backoff_s = self._world, BACKOFF_S
        until = world.now() + GIVE_UP_S
        while True:
            answer = await self._collector.export(body, spans)
            wait_s = backoff_s * (0.5 + world.random() / 2)
            if answer.after_s is not None:
                wait_s = min(max(wait_s, answer.after_s), RETRY_AFTER_MOST_S)
            if answer.rejected is not None or world.now() + wait_s >= until:
                self._count(answer, spans)
                if answer.rejected is None and answer.after_s is not None:
                    await world.sleep(wait_s)  # the next batch is to wait as well
                return
            self._log(answer, "its spans are sent again")
            await world.sleep(wait_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)

    async def _encoded(self, samples: Sequence[ExchangeSample]) -> tuple[bytes, int]:
        """In a thread: a batch takes about 20 ms, and updates go on."""

        def encoded() -> tuple[bytes, int]:
            request, spans = request_of(samples, self._resource)
            return compressed(request.SerializeToString()), spans

        return await to_thread.run_sync(encoded)

    def _count(self, answer: Answer, spans: int) -> None:
        counters = self._queue.counters
        rejected = spans if answer.rejected is None else answer.rejected
        counters.exported += spans - rejected
        if rejected:
            counters.dropped[UNREACHABLE if answer.rejected is None else REJECTED] += rejected
            self._log(answer, f"{rejected} spans are dropped")
        elif self._failing:
            self._failing = False
            log_event("traces are exported again", collector=self._collector.url)

    def _log(self, answer: Answer, consequence: str) -> None:
        """One line per failure, not per batch."""
        if not self._failing:
            self._failing = True
            log_event(
                "traces are not exported; requests are not affected",
                logging.WARNING,
                collector=self._collector.url,
                reason=answer.why,
                consequence=consequence,
            )
