"""The page of a tap: its filter, the workers that are asked, and what the one who looks is told."""

import json

import anyio
import anyio.lowlevel
import pytest

from discovery.observe.server import Asked, Page
from discovery.observe.tap import NotAFilter, TapPage, filter_asked
from discovery.workers.pending import Backlog
from discovery.workers.publish import Publisher
from discovery.workers.taps import HELD_MOST, Taps
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.reports import Introduction
from nodeproxy.mesh.samples import AttemptSample, EventSample, ExchangeSample, Samples
from nodeproxy.mesh.taps import EVERY_STATUS, TAPS_MOST, StartTap, StopTap, TapFilter, TapLeftOut
from nodeproxy.mesh.wire import Replace, line
from tests.discovery.test_publish import connected, serving

pytestmark = pytest.mark.anyio
WEB = Service("shop", "web", "127.77.0.1", (Port(80),))


def sample(*taps, path="/basket"):
    attempts = (
        AttemptSample("10.0.0.1:80", 0.0, None, 0.1, 0, "connect-failed", False, ""),
        AttemptSample("10.0.0.2:80", 0.1, 0.15, 0.2, 200, 200, False, ""),
    )
    events = (EventSample(0.1, "retries", "retried-connect-failure", "enforce"),)
    return ExchangeSample(
        1.7e9, 0.2, "GET", "web.shop.mesh", path, "1.1", "10.1.0.1", ("shop", "cart"), "shop/web:80", 200, "", None, "",
        attempts, events, 0, None, "api", taps,
    )  # fmt: skip


def in_force():
    publisher = Publisher()
    publisher.publish({WEB.key: WEB}, in_sync=True)
    return publisher


class Reader:
    """Takes the lines of a stream."""

    def __init__(self):
        self.lines = []

    async def send(self, data):
        self.lines += map(json.loads, data.splitlines())

    async def until(self, count):
        while len(self.lines) < count:
            await anyio.lowlevel.checkpoint()


async def stream_of(publisher, limit_s=60.0, **query):
    return await TapPage(publisher, limit_s)(Asked({"service": "web.shop", **query}))


async def until_asked(worker, kind):
    while not isinstance(update := await worker.update(), kind):
        assert isinstance(update, Replace)
    return update


async def test_every_worker_is_asked_also_one_that_comes_later_and_told_the_end(tmp_path):
    publisher, reader, path = in_force(), Reader(), tmp_path / "mesh"
    stream = await stream_of(publisher, path="/b")

    async with serving(path, publisher), connected(path) as early, anyio.create_task_group() as group:
        await until_asked(early, Replace)
        group.start_soon(stream.run, reader.send)
        started = await until_asked(early, StartTap)
        async with connected(path) as late:
            assert await until_asked(late, StartTap) == started
            await late.send(line(Introduction(1, 1)) + line(Samples((sample(started.number), sample(99)))))
            await reader.until(2)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                assert await until_asked(late, StopTap) == StopTap(started.number)

    assert started.filter == TapFilter("shop/web", path="/b")
    assert reader.lines[0] == {"type": "tap", "service": "shop/web", "workers": 1, "ends_after_s": 60.0}
    request = reader.lines[1]
    assert (request["path"], request["source"], request["rule"]) == ("/basket", "shop/cart", "api")
    assert [each["outcome"] for each in request["attempts"]] == ["connect-failed", 200]
    assert [each["outcome"] for each in request["decisions"]] == ["retried-connect-failure"]
    assert len(reader.lines) == 2


async def test_what_is_left_out_is_told(tmp_path):
    publisher, reader, path = in_force(), Reader(), tmp_path / "mesh"
    stream = await stream_of(publisher)

    async with serving(path, publisher), connected(path) as worker, anyio.create_task_group() as group:
        await until_asked(worker, Replace)
        group.start_soon(stream.run, reader.send)
        number = (await until_asked(worker, StartTap)).number
        await worker.send(line(TapLeftOut(number, 3)) + line(TapLeftOut(number, 7)) + line(Samples((sample(number),))))
        await reader.until(3)
        group.cancel_scope.cancel()

    assert reader.lines[2] == {"type": "left-out", "left_out": 7}


async def test_a_reader_that_is_slow_loses_samples_and_they_are_counted():
    taps = in_force().taps
    tap = taps.open(TapFilter("shop/web"))

    taps.take([sample(tap.start.number)] * (HELD_MOST + 5))

    assert len(await tap.samples()) == HELD_MOST
    assert tap.left_out == 5


async def test_a_tap_ends_by_itself():
    publisher, reader = in_force(), Reader()
    stream = await stream_of(publisher, limit_s=0.0)

    await stream.run(reader.send)

    assert reader.lines[-1] == {"type": "end", "why": "a tap ends after 0", "left_out": 0}
    assert not publisher.taps.full


async def test_a_tap_too_many_is_refused_and_one_that_ends_makes_room():
    publisher = in_force()
    late = await stream_of(publisher)
    reader = Reader()

    opened = [publisher.taps.open(TapFilter("shop/web")) for _ in range(TAPS_MOST)]
    refused = await stream_of(publisher)
    await late.run(reader.send)
    publisher.taps.close(opened[0])
    accepted = await stream_of(publisher)

    assert isinstance(refused, Page) and refused.status == 503 and b"4 taps are open" in refused.body
    assert [each["type"] for each in reader.lines] == ["end"] and "4 taps are open" in reader.lines[0]["why"]
    assert not isinstance(accepted, Page)


async def test_traces_do_not_get_the_samples_of_taps(tmp_path):
    publisher, taken, path = in_force(), [], tmp_path / "mesh"
    publisher.sample_takers.append(lambda samples: taken.extend(samples.exchanges))

    async with serving(path, publisher), connected(path) as worker:
        await worker.send(line(Samples((sample(1), sample(path="/traced")))) + line(Samples((sample(1),))))
        while not taken:
            await anyio.lowlevel.checkpoint()

    assert [each.path for each in taken] == ["/traced"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, TapFilter("shop/web", 80)),
        ({"status": "5xx"}, TapFilter("shop/web", 80, statuses=(500, 599))),
        ({"status": "4XX"}, TapFilter("shop/web", 80, statuses=(400, 499))),
        ({"status": "404"}, TapFilter("shop/web", 80, statuses=(404, 404))),
        ({"from": "shop/cart"}, TapFilter("shop/web", 80, namespace="shop", workload="cart")),
        ({"from": "shop"}, TapFilter("shop/web", 80, namespace="shop")),
        ({"slower-than": "1.5s", "method": "post"}, TapFilter("shop/web", 80, method="POST", slower_than_s=1.5)),
    ],
)
def test_a_filter_is_read(query, wanted):
    assert filter_asked(Asked(query), "shop/web", 80) == wanted
    assert wanted.by_end == (wanted.statuses != EVERY_STATUS or wanted.slower_than_s > 0)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"status": "6xx"}, "--status: write 5xx for a class or 404 for a single status, got '6xx'"),
        ({"status": "²00"}, "--status: write 5xx for a class or 404 for a single status, got '²00'"),
        ({"slower-than": "1"}, "--slower-than: not a duration; write one as 250ms, 15s or 1m30s"),
        ({"path": "basket"}, "--path: a path begins with /, got 'basket'"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told_with_how_it_is_written(query, told):
    with pytest.raises(NotAFilter) as caught:
        filter_asked(Asked(query), "shop/web", 80)

    assert str(caught.value) == told


async def test_taps_without_end_do_not_pile_up_before_a_worker_that_does_not_read():
    worker = Backlog()
    taps = Taps({worker})
    for _ in range(3):
        taps.close(taps.open(TapFilter("shop/web", 0, "", "", "", "", EVERY_STATUS, 0.0)))
    last = taps.open(TapFilter("shop/web", 0, "", "", "", "", EVERY_STATUS, 0.0))

    assert await worker.next_message(lambda: Replace(())) == last.start
