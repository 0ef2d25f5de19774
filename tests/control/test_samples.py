"""Samples on their way up: batches that the control process reads, and a bound."""

import pytest
import trio
import trio.testing

from nodeproxy.control.samples import HELD_MOST, SampleQueue
from nodeproxy.mesh.samples import BATCH_MOST, Samples
from nodeproxy.mesh.wire import parse_upward
from nodeproxy.telemetry.stats import WorkerStats
from tests.fakes.samples import event, sample


async def sent_by(queue):
    """What a queue sends within a second."""
    lines = []

    async def send(data):
        lines.append(data)

    with trio.move_on_after(1.0):
        await queue.send(send)
    return [parse_upward(line) for line in lines]


@pytest.mark.trio
async def test_samples_arrive_as_they_were_in_batches(autojump_clock):
    queue = SampleQueue(WorkerStats())
    samples = [sample(status=200 + index % 300, events=(event("retries", "exhausted"),)) for index in range(100)]
    for each in samples:
        queue.add(each)

    batches = await sent_by(queue)

    assert [len(batch.exchanges) for batch in batches] == [BATCH_MOST, 100 - BATCH_MOST] and len(queue) == 0
    assert all(isinstance(batch, Samples) for batch in batches)
    assert [each for batch in batches for each in batch.exchanges] == samples


@pytest.mark.trio
async def test_nothing_is_sent_while_nothing_is_added(autojump_clock):
    assert await sent_by(SampleQueue(WorkerStats())) == []


def test_a_full_queue_drops_the_newest_and_counts_them():
    stats = WorkerStats()
    queue = SampleQueue(stats)

    for _ in range(HELD_MOST + 2):
        queue.add(sample())

    assert (len(queue), stats.samples_lost) == (HELD_MOST, 2)


@pytest.mark.trio
async def test_a_reader_that_stands_still_stops_the_sending_and_not_the_adding(autojump_clock):
    stats = WorkerStats()
    queue = SampleQueue(stats)

    async def send(_data):
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.send, send)
        for _ in range(BATCH_MOST + HELD_MOST + 1):
            queue.add(sample())
            if len(queue) == BATCH_MOST:
                await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert len(queue) == HELD_MOST and stats.samples_lost >= 1
