import os
import socket
import stat
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from discovery.workers.publish import Clock, Publisher
from discovery.workers.subscriptions import LINGER_S
from nodeproxy.mesh.model import Caller, Port, Service
from nodeproxy.mesh.reports import Introduction
from nodeproxy.mesh.wire import (
    LINE_LIMIT_BYTES,
    Callers,
    Drop,
    Fresh,
    Put,
    Replace,
    Subscribe,
    Unsubscribe,
    line,
    parse,
)
from tests.fakes.reports import WEB, port, process

pytestmark = pytest.mark.anyio

DEADLINE_S = 60  # only ever used up by a test that fails
REVIEWS = Service("shop", "reviews", "127.77.0.1")
RATINGS = Service("shop", "ratings", "127.77.0.2")


class Ticks:
    """A clock that the test advances."""

    def __init__(self):
        self._sleeping = anyio.Event()
        self._ticked = anyio.Event()

    async def sleep(self, _seconds):
        self._sleeping.set()
        await self._ticked.wait()

    async def tick(self):
        """Wakes the sleeping task, and waits until it sleeps again."""
        await self._sleeping.wait()
        self._sleeping, ticked, self._ticked = anyio.Event(), self._ticked, anyio.Event()
        ticked.set()
        await self._sleeping.wait()


def quiet_publisher():
    """One that never says by itself that its state is fresh, however slow the machine."""
    return Publisher(Clock(Ticks().sleep))


class Worker:
    """The other end of the socket."""

    def __init__(self, stream):
        self._lines = BufferedByteReceiveStream(stream)
        self.send = stream.send
        self.aclose = stream.aclose

    async def update(self):
        return parse(await self._lines.receive_until(b"\n", LINE_LIMIT_BYTES))


@asynccontextmanager
async def serving(path, publisher):
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            await group.start(publisher.serve, str(path))
            yield
            group.cancel_scope.cancel()


@asynccontextmanager
async def connected(path):
    async with await anyio.connect_unix(path) as stream:
        yield Worker(stream)


def of(*services):
    return {service.key: service for service in services}


async def test_a_worker_receives_everything_once_and_then_the_changes(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS, RATINGS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        first = await worker.update()
        publisher.publish(of(Service("shop", "reviews", "127.77.0.9")), in_sync=True)
        put = await worker.update()
        publisher.publish({"shop/ratings": None}, in_sync=True)
        drop = await worker.update()

    assert first == Replace((RATINGS, REVIEWS))
    assert put == Put(Service("shop", "reviews", "127.77.0.9"))
    assert drop == Drop("shop/ratings")


async def test_a_worker_that_connects_later_receives_the_current_state(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS, RATINGS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as early:
        await early.update()
        publisher.publish({"shop/ratings": None}, in_sync=True)
        await early.update()
        async with connected(tmp_path / "mesh") as late:
            assert await late.update() == Replace((REVIEWS,))


async def test_nothing_is_sent_before_the_source_was_in_sync(tmp_path):
    ticks = Ticks()
    publisher = Publisher(Clock(ticks.sleep))

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        publisher.publish(of(REVIEWS), in_sync=False)
        await ticks.tick()
        publisher.publish(of(RATINGS), in_sync=True)

        assert await worker.update() == Replace((RATINGS, REVIEWS))


async def test_an_empty_mesh_in_sync_is_told(tmp_path):
    publisher = quiet_publisher()

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        publisher.publish({}, in_sync=True)

        assert await worker.update() == Replace(())


async def test_freshness_is_sent_at_every_tick(tmp_path):
    ticks = Ticks()
    publisher = Publisher(Clock(ticks.sleep))
    publisher.publish(of(REVIEWS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        await worker.update()
        for _ in range(3):
            await ticks.tick()
            assert await worker.update() == Fresh()


async def test_no_freshness_is_sent_while_the_source_is_out_of_sync(tmp_path):
    ticks = Ticks()
    publisher = Publisher(Clock(ticks.sleep))
    publisher.publish(of(REVIEWS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        await worker.update()
        publisher.publish({}, in_sync=False)
        await ticks.tick()
        publisher.publish(of(RATINGS), in_sync=False)
        assert await worker.update() == Put(RATINGS)
        publisher.publish({}, in_sync=True)
        await ticks.tick()
        assert await worker.update() == Fresh()


async def test_a_worker_that_does_not_read_gets_the_newest_value_and_delays_no_other(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS), in_sync=True)
    versions = [Service("shop", "reviews", policies={"version": n, "bulk": "x" * 200_000}) for n in range(100)]

    async with (
        serving(tmp_path / "mesh", publisher),
        connected(tmp_path / "mesh") as slow,
        connected(tmp_path / "mesh") as quick,
    ):
        await slow.update()
        await quick.update()
        for version in versions:
            publisher.publish(of(version), in_sync=True)
            assert await quick.update() == Put(version)
        publisher.publish(of(RATINGS), in_sync=True)
        received = [await slow.update()]
        while received[-1] != Put(RATINGS):
            received.append(await slow.update())

    assert received[-2] == Put(versions[-1])
    assert len(received) < 20


async def test_a_service_that_came_and_went_unread_is_a_drop(tmp_path):
    publisher = quiet_publisher()
    publisher.publish({}, in_sync=True)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        await worker.update()
        publisher.publish(of(REVIEWS), in_sync=True)
        publisher.publish({"shop/reviews": None}, in_sync=True)

        assert await worker.update() == Drop("shop/reviews")


async def test_workers_come_and_go(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher):
        for _ in range(5):
            async with connected(tmp_path / "mesh") as worker:
                await worker.update()
        while publisher.workers:
            await anyio.lowlevel.checkpoint()
        async with connected(tmp_path / "mesh") as worker:
            assert await worker.update() == Replace((REVIEWS,))


async def test_a_worker_that_goes_in_the_middle_of_a_line_is_forgotten(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(Service("shop", "reviews", policies={"bulk": "x" * 5_000_000})), in_sync=True)

    async with serving(tmp_path / "mesh", publisher):
        async with await anyio.connect_unix(tmp_path / "mesh") as stream:
            await stream.receive(10)
            assert publisher.workers == 1
        while publisher.workers:
            await anyio.lowlevel.checkpoint()


async def test_a_workers_subscriptions_linger_after_it_has_disconnected(tmp_path):
    ticks, wanted, clock = Ticks(), [], [0.0]
    publisher = Publisher(Clock(ticks.sleep, lambda: clock[0]), wanted.append)
    publisher.publish(of(REVIEWS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher):
        async with connected(tmp_path / "mesh") as worker:
            assert await worker.update() == Replace((REVIEWS,), on_demand=True)
            await worker.send(
                line(Subscribe("shop/reviews")) + line(Subscribe("shop/ratings")) + line(Unsubscribe("shop/reviews"))
            )
            while len(wanted) < 3:
                await anyio.lowlevel.checkpoint()
        while publisher.workers:
            await anyio.lowlevel.checkpoint()
        await ticks.tick()
        clock[0] += LINGER_S
        await ticks.tick()

    one, both = frozenset({"shop/reviews"}), frozenset({"shop/reviews", "shop/ratings"})
    assert wanted == [one, both, both - one, frozenset()]


async def test_reports_are_taken_and_stay_after_the_worker_has_disconnected(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher):
        async with connected(tmp_path / "mesh") as worker:
            await worker.send(line(Introduction(0, 7)) + line(port(requests=3)) + line(process()))
            while not publisher.reports.complete:
                await anyio.lowlevel.checkpoint()
        while publisher.workers:
            await anyio.lowlevel.checkpoint()

    (life,) = publisher.reports.numbers().workers
    assert (life.connection, life.ports) == (None, {WEB: port(requests=3)})


async def test_a_service_that_left_the_mesh_takes_the_counters_of_gone_workers_with_it():
    publisher = quiet_publisher()
    publisher.publish(of(Service("shop", "web", ports=(Port(80),))), in_sync=True)
    for message in (Introduction(0, 7), port(requests=3), process()):
        publisher.reports.note("connection", message)
    publisher.reports.gone("connection")
    before = publisher.reports.numbers().workers[0].ports.keys()
    publisher.publish({"shop/web": None}, in_sync=True)

    assert set(before) == {WEB}
    assert not publisher.reports.numbers().workers[0].ports


@pytest.mark.parametrize("sent", [b"no subscription\n", b"x" * 2000 + b"\n", b'{"type":"put"}\n', b"\xff\xfe\n"])
async def test_a_worker_that_sends_an_invalid_subscription_is_disconnected(tmp_path, sent):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS), in_sync=True)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        await worker.update()
        await worker.send(sent)
        with pytest.raises((anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError)):
            await worker.update()


async def test_snapshots_are_sent_before_the_services_and_whenever_they_change(tmp_path):
    publisher = quiet_publisher()
    publisher.publish(of(REVIEWS), in_sync=True)
    one, two = Callers((Caller("10.0.0.1", "shop", "web"),)), Callers(())
    publisher.publish_snapshot(one)

    async with serving(tmp_path / "mesh", publisher), connected(tmp_path / "mesh") as worker:
        assert await worker.update() == one
        assert await worker.update() == Replace((REVIEWS,))
        publisher.publish_snapshot(Callers(one.callers))
        publisher.publish_snapshot(two)
        assert await worker.update() == two


async def test_the_socket_is_for_one_user_replaces_a_stale_one_and_is_removed(tmp_path):
    path = tmp_path / "mesh"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    async with serving(path, quiet_publisher()):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600

    assert not path.exists()


async def test_the_socket_of_the_next_discovery_is_left_alone(tmp_path):
    path = tmp_path / "mesh"

    async with serving(path, quiet_publisher()):
        path.rename(tmp_path / "moved")  # its inode stays taken
        path.touch()

    assert path.exists()


async def test_a_file_that_is_no_socket_is_not_replaced(tmp_path):
    (tmp_path / "mesh").write_text("precious")

    with pytest.raises(OSError, match="in use"):
        await quiet_publisher().serve(str(tmp_path / "mesh"))

    assert (tmp_path / "mesh").read_text() == "precious"
