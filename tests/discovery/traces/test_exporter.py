"""The exporter, with a real collector over HTTP and a clock that only waits move."""

from contextlib import asynccontextmanager, suppress

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from discovery.observe.traces.collector import Collector, HeadersRefused, answer_of, headers_in
from discovery.observe.traces.exporter import BACKOFF_MOST_S, GIVE_UP_S, RETRY_AFTER_MOST_S, Exporter, World
from discovery.observe.traces.queue import FULL, HELD_MOST, REJECTED, UNREACHABLE, SpanCounters, SpanQueue
from nodeproxy.mesh.samples import Samples
from tests.fakes.collector import attributes, collector, partly
from tests.fakes.node import LIMIT_S
from tests.fakes.ports import free_port
from tests.fakes.samples import sample

pytestmark = pytest.mark.anyio
LATER = 503, {}, b""


class Time:
    """Waits end at once, and move the clock."""

    def __init__(self):
        self.now = 0.0
        self.waits = []

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def exporting(url, headers=None):
    """An exporter to `url`; yields its queue and its time."""
    queue, time = SpanQueue(SpanCounters()), Time()
    world = World(time.sleep, lambda: time.now, lambda: 1.0)
    exporter = Exporter(queue, Collector(f"{url}/v1/traces", headers), {"service.name": "nodeproxy"}, world)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(exporter.run)
            yield queue, time
            group.cancel_scope.cancel()


async def until(claim):
    while not claim():
        await anyio.lowlevel.checkpoint()


def two():
    """The sample of an exchange with one attempt: two spans."""
    return Samples((sample(),))


async def test_spans_arrive_compressed_in_the_official_messages():
    with collector() as collected:
        async with exporting(collected.url) as (queue, _):
            queue.add(two())
            await until(lambda: queue.counters.exported == 2)

    (fields,) = collected.fields
    assert (collected.paths, len(collected.spans)) == (["/v1/traces"], 2)
    assert (fields["Content-Type"], fields["Content-Encoding"]) == ("application/x-protobuf", "gzip")
    assert attributes(collected.requests[0].resource_spans[0].resource) == {"service.name": "nodeproxy"}


async def test_a_batch_is_sent_again_while_the_collector_asks_for_it_later():
    with collector(LATER, (429, {"Retry-After": "7"}, b"")) as collected:
        async with exporting(collected.url) as (queue, time):
            queue.add(two())
            await until(lambda: queue.counters.exported == 2)

    assert time.waits[:2] == [1.0, 7.0] and len(collected.requests) == 3
    assert sum(queue.counters.dropped.values()) == 0


async def test_backoff_grows_up_to_its_bound_and_a_batch_is_given_up_in_the_end():
    with collector(*[LATER] * 7) as collected:
        async with exporting(collected.url) as (queue, time):
            queue.add(two())
            await until(lambda: queue.counters.dropped[UNREACHABLE] == 2)
            assert max(time.waits) <= BACKOFF_MOST_S and sum(time.waits) <= GIVE_UP_S + 1
            assert time.waits[:4] == [1.0, 2.0, 4.0, 8.0]

            collected.answers.clear()
            queue.add(two())
            await until(lambda: queue.counters.exported == 2)


async def test_a_collector_cannot_ask_for_hours():
    with collector((503, {"Retry-After": "86400"}, b"")) as collected:
        async with exporting(collected.url) as (queue, time):
            queue.add(two())
            await until(lambda: queue.counters.dropped[UNREACHABLE] == 2)
            await until(lambda: time.waits)

    assert time.waits[0] == RETRY_AFTER_MOST_S


async def test_a_collector_that_is_not_there_costs_spans_which_are_counted():
    async with exporting(f"http://127.0.0.1:{free_port()}") as (queue, _):
        queue.add(two())
        await until(lambda: queue.counters.dropped[UNREACHABLE] == 2)

    assert queue.counters.exported == 0


@pytest.mark.parametrize("status", [301, 400, 401, 404, 500])
async def test_what_a_collector_refuses_is_not_sent_again(status):
    with collector((status, {"Location": "/elsewhere"}, b"no")) as collected:
        async with exporting(collected.url) as (queue, _):
            queue.add(two())
            await until(lambda: queue.counters.dropped[REJECTED] == 2)

    assert len(collected.requests) == 1


async def test_spans_that_are_rejected_of_a_batch_are_counted():
    with collector((200, {}, partly(1))) as collected:
        async with exporting(collected.url) as (queue, _):
            queue.add(two())
            await until(lambda: queue.counters.exported == 1)

    assert queue.counters.dropped[REJECTED] == 1 and len(collected.requests) == 1


async def test_what_waits_at_the_end_is_sent_once_more():
    with collector() as collected:
        async with exporting(collected.url) as (queue, _):
            await anyio.wait_all_tasks_blocked()
            queue.stir = bool
            queue.add(two())

    assert len(collected.spans) == 2 and queue.counters.exported == 2


async def test_what_comes_while_nothing_waits_is_sent_at_once():
    with collector() as collected:
        async with exporting(collected.url) as (queue, time):
            await anyio.wait_all_tasks_blocked()
            queue.add(two())
            await until(lambda: queue.counters.exported == 2)

    assert time.waits in ([], [1.0])


async def test_header_fields_are_read_anew_for_each_request(tmp_path):
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer one\n\nX-Tenant: shop\n")
    with collector() as collected:
        async with exporting(collected.url, file) as (queue, _):
            queue.add(two())
            await until(lambda: queue.counters.exported == 2)
            file.write_text("Authorization: Bearer two\n")
            queue.add(two())
            await until(lambda: queue.counters.exported == 4)

    assert [each["Authorization"] for each in collected.fields] == ["Bearer one", "Bearer two"]
    assert collected.fields[0]["X-Tenant"] == "shop"


@pytest.mark.parametrize("text", ["Bearer", ": x", "na me: x", "ok: 1\nbroken"])
def test_a_file_of_headers_that_is_none_is_named_with_the_line(tmp_path, text):
    file = tmp_path / "headers"
    file.write_text(text)

    with pytest.raises(HeadersRefused, match=r"headers \(otlp_headers_file\), line \d: expected name: value"):
        headers_in(file)


async def test_a_missing_file_of_headers_costs_spans_and_not_the_process(tmp_path):
    with collector() as collected:
        async with exporting(collected.url, tmp_path / "none") as (queue, _):
            queue.add(two())
            await until(lambda: queue.counters.dropped[UNREACHABLE] == 2)

    assert not collected.requests


def test_a_full_queue_drops_the_newest_and_counts_their_spans():
    queue = SpanQueue(SpanCounters())

    queue.add(Samples((sample(),) * 5))
    queue.add(Samples((sample(),) * (HELD_MOST - 2)))

    assert len(queue) == HELD_MOST and queue.counters.dropped[FULL] == 6


def test_what_taps_have_asked_for_and_what_is_not_traced_is_not_exported():
    queue = SpanQueue(SpanCounters())

    queue.add(Samples((sample(taps=(1,)), sample(trace=None))))

    assert len(queue) == 0


def test_an_answer_that_is_not_of_otlp_counts_by_its_status():
    assert answer_of(200, {}, b"{}", 3).rejected == 0
    assert answer_of(204, {}, b"", 3).rejected == 0


@pytest.mark.parametrize("value", [b"soon", b"-1", b"1.5"])
def test_a_retry_after_that_is_neither_seconds_nor_a_date_is_ignored(value):
    assert answer_of(429, {b"Retry-After": value}, b"", 3).after_s is None


def test_a_retry_after_may_be_a_date():
    assert answer_of(429, {b"retry-after": b"Thu, 01 Jan 1970 00:00:00 GMT"}, b"", 3).after_s == 0.0


@pytest.mark.parametrize(
    "date", [b"Mon, 01 Jan 9999999999 00:00:00 GMT", b"Mon, 01 Jan 2020 00:00:00 +99999999999999", b"9" * 5000]
)
def test_a_retry_after_beyond_all_clocks_is_no_error(date):
    assert answer_of(429, {b"retry-after": date}, b"", 3).after_s in (None, float("inf"))


@pytest.mark.parametrize(
    ("said", "more"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 O", b"x"),
        (b"HTTP/1.1 102 \r\n\r\n", b"HTTP/1.1 102 \r\n\r\n"),
        (b"", b""),
    ],
)
async def test_an_answer_that_never_ends_is_given_up_however_often_a_byte_comes(said, more):
    async def drips(stream):
        async with stream:
            with suppress(anyio.BrokenResourceError):
                await stream.send(said)
                while True:
                    await stream.send(more)
                    await anyio.sleep(0.01)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, drips)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        client = Collector(f"http://127.0.0.1:{port}/v1/traces", None, timeout_s=0.2)
        with anyio.fail_after(LIMIT_S):
            answer = await client.export(b"", 1)
        await client.close()
        group.cancel_scope.cancel()

    assert answer.rejected is None and "Timeout" in answer.why
