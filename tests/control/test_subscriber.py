"""The worker's line to discovery, over a real Unix socket: updates arrive, broken lines cost nothing but the line."""

import os

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from nodeproxy.control import subscriber
from nodeproxy.control.reports import Sources
from nodeproxy.control.samples import SampleQueue
from nodeproxy.control.subscriber import Receivers, subscribe
from nodeproxy.control.taps import Taps
from nodeproxy.exchange.recording import Recorder
from nodeproxy.mesh.questions import (
    Answer,
    Ask,
    CountersNow,
    CountersSent,
    Endpoints,
    EndpointsOf,
    EndpointState,
    PortEndpoints,
)
from nodeproxy.mesh.reports import Introduction, PortReport, ProcessReport
from nodeproxy.mesh.subscriptions import Subscriptions
from nodeproxy.mesh.taps import StartTap, StopTap, TapFilter
from nodeproxy.mesh.wire import Drop, Fresh, Put, Replace, Subscribe, Unsubscribe, line, parse_upward
from nodeproxy.telemetry.stats import RouteStats, WorkerStats
from tests.fakes.reports import process
from tests.fakes.tables import Mesh, other, web

pytestmark = pytest.mark.trio
PATIENCE_S = 60  # real seconds, only ever used up by a test that fails
NOTHING = Sources(Introduction(0, 1), RouteStats(), tuple, lambda _service: (), process)
ANSWER = Endpoints((PortEndpoints("80", (EndpointState("10.0.0.1", 8080, active=3),)),))
WRONG = web(policies={"retries": {"attempts": "many"}})


class Discovery:
    """A peer that listens at `path` and says what the test tells it."""

    def __init__(self, path):
        self._path = path
        self._listener = None
        self._streams = []

    async def listen(self):
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        await sock.bind(self._path)
        sock.listen()
        self._listener = trio.SocketListener(sock)

    async def meet(self):
        """Wait for the worker to call."""
        with trio.fail_after(PATIENCE_S):
            self._streams.append(await self._listener.accept())

    async def say(self, *parts):
        for part in parts:
            await self._streams[-1].send_all(part if isinstance(part, bytes) else line(part))

    async def hear(self, *kinds):
        """The next messages of these kinds that come together."""
        with trio.fail_after(PATIENCE_S):
            while True:
                lines = (await self._streams[-1].receive_some(4096)).splitlines()
                if heard := [each for each in map(parse_upward, lines) if isinstance(each, kinds)]:
                    return heard

    async def is_left(self):
        """Wait until the worker has hung up."""
        with trio.fail_after(PATIENCE_S):
            while await self._streams[-1].receive_some(4096):
                pass
            return True

    async def hang_up(self):
        await self._streams[-1].aclose()

    async def close(self):
        for end in (*self._streams, *([self._listener] if self._listener else [])):
            await end.aclose()


class Follower:
    """A worker's table, and what was told to it in order."""

    def __init__(self):
        self.mesh = Mesh()
        self._report, self._reported = trio.open_memory_channel(99)

    def install(self, update):
        self.mesh.live.install(update)
        self._report.send_nowait(update)

    def refused(self):
        self._report.send_nowait("refused")

    def answer(self, question):
        self._report.send_nowait(question)
        return ANSWER

    async def next(self):
        with trio.fail_after(PATIENCE_S):
            return await self._reported.receive()


@pytest.fixture
def path(tmp_path):
    return os.fspath(tmp_path / "discovery.sock")


@pytest.fixture
async def discovery(path):
    discovery = Discovery(path)
    yield discovery
    await discovery.close()


@pytest.fixture
def follower(path, nursery):
    follower = Follower()
    follower.recorder, samples = Recorder(float), SampleQueue(WorkerStats())
    taps = Taps(follower.recorder, samples, float, float)
    receivers = Receivers(follower.install, follower.refused, follower.answer, taps)
    nursery.start_soon(subscribe, path, receivers, follower.mesh.live.subscriptions, NOTHING, samples)
    return follower


async def test_updates_are_put_in_force_in_order(discovery, follower):
    updates = [Replace((web(), other("old"))), Put(other("new")), Drop("shop/old"), Fresh()]
    await discovery.listen()
    await discovery.meet()

    await discovery.say(*updates)

    assert [await follower.next() for _ in updates] == updates
    assert follower.mesh.names() == ["shop/new:80", "shop/web:80"]


async def test_lines_may_come_in_any_pieces(discovery, follower):
    written = line(Replace((web(),))) + line(Put(other("new"))) + line(Drop("shop/web"))
    await discovery.listen()
    await discovery.meet()

    for start in range(0, len(written), 7):
        await discovery.say(written[start : start + 7])
        await wait_all_tasks_blocked()

    assert [type(await follower.next()) for _ in range(3)] == [Replace, Put, Drop]


async def test_a_discovery_that_is_late_is_waited_for_and_told_once(discovery, follower, monkeypatch, caplog):
    caplog.set_level("INFO", "nodeproxy")
    monkeypatch.setattr(subscriber, "RETRY_S", 0)
    for _ in range(100):
        await trio.lowlevel.checkpoint()

    await discovery.listen()
    await discovery.meet()
    await discovery.say(Replace((web(),)))

    assert await follower.next() == Replace((web(),))
    assert [record.message for record in caplog.records] == ["discovery does not listen yet"]


async def test_a_restarted_discovery_is_found_again_and_the_table_stays_meanwhile(discovery, follower):
    await discovery.listen()
    await discovery.meet()
    await discovery.say(Replace((web(),)))
    await follower.next()

    await discovery.hang_up()
    await discovery.meet()
    assert follower.mesh.names() == ["shop/web:80"]
    await discovery.say(Replace((other("new"),)))

    await follower.next()
    assert follower.mesh.names() == ["shop/new:80"]


@pytest.mark.parametrize(
    "bad", [b"junk\n", b"\n", b'{"type":"rename"}\n', b'{"type":"drop","key":"\xff"}\n', b'{"type":"drop"}\n']
)
async def test_a_line_that_is_no_update_ends_the_line_and_the_table_stays(discovery, follower, bad, caplog):
    await discovery.listen()
    await discovery.meet()
    await discovery.say(Replace((web(),)))
    await follower.next()

    await discovery.say(bad)
    assert await discovery.is_left()
    await discovery.meet()
    assert follower.mesh.names() == ["shop/web:80"]
    await discovery.say(Fresh())

    assert await follower.next() == Fresh()
    assert [record.message for record in caplog.records] == ["connection to discovery broke; the table stays in force"]


async def test_a_line_that_never_ends_is_given_up(discovery, follower, monkeypatch, caplog):
    monkeypatch.setattr(subscriber, "LINE_LIMIT_BYTES", 100)
    await discovery.listen()
    await discovery.meet()
    await discovery.say(Replace(()), b"x" * 101)

    assert await discovery.is_left()
    await discovery.meet()

    assert await follower.next() == Replace(())
    assert "a line of more than 100 bytes" in caplog.records[0].error


async def test_an_update_with_a_wrong_policy_is_counted_and_the_line_goes_on(discovery, follower, caplog):
    await discovery.listen()
    await discovery.meet()

    await discovery.say(Replace((web(),)), Put(WRONG), Put(other("new")))

    assert [await follower.next() for _ in range(3)] == [Replace((web(),)), "refused", Put(other("new"))]
    assert follower.mesh.names() == ["shop/new:80", "shop/web:80"]
    assert caplog.records[0].problems == ["retries.attempts: expected a valid integer, got 'many'"]


async def test_wishes_go_up_and_all_of_them_again_to_a_new_discovery(discovery, follower):
    subscriptions = follower.mesh.live.subscriptions
    subscriptions.want("shop/web")
    await discovery.listen()
    await discovery.meet()

    first = await discovery.hear(Subscribe, Unsubscribe)
    subscriptions.want("shop/new")
    second = await discovery.hear(Subscribe, Unsubscribe)
    await discovery.hang_up()
    await discovery.meet()

    assert (first, second) == ([Subscribe("shop/web")], [Subscribe("shop/new")])
    assert await discovery.hear(Subscribe, Unsubscribe) == [Subscribe("shop/web"), Subscribe("shop/new")]


async def test_reports_go_up_beside_the_wishes_and_a_new_discovery_is_told_who_it_is(discovery, follower):
    await discovery.listen()
    for _ in range(2):
        await discovery.meet()
        heard = []
        while not any(isinstance(each, ProcessReport) for each in heard):
            heard += await discovery.hear(Introduction, PortReport, ProcessReport)
        assert [type(each) for each in heard] == [Introduction, PortReport, ProcessReport]
        await discovery.hang_up()


async def test_a_question_is_answered_between_updates(discovery, follower):
    await discovery.listen()
    await discovery.meet()

    await discovery.say(Replace((web(),)), Ask(7, EndpointsOf("shop/web")), Drop("shop/web"))

    assert [await follower.next() for _ in range(3)] == [Replace((web(),)), EndpointsOf("shop/web"), Drop("shop/web")]
    assert await discovery.hear(Answer) == [Answer(7, ANSWER)]


async def test_counters_are_answered_by_a_report_and_updates_do_not_wait_for_it(discovery, follower):
    await discovery.listen()
    await discovery.meet()

    await discovery.say(Ask(7, CountersNow()), Fresh())

    assert await follower.next() == Fresh()
    assert await discovery.hear(Answer) == [Answer(7, CountersSent())]


async def test_between_two_of_many_updates_others_have_their_turn(tmp_path):
    path, turns = str(tmp_path / "socket"), []
    discovery = Discovery(path)
    await discovery.listen()

    async def others():
        while True:
            turns.append("turn")
            await trio.lowlevel.checkpoint()

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            samples = SampleQueue(WorkerStats())
            taps = Taps(Recorder(float), samples, float, float)
            receivers = Receivers(lambda _update: turns.append("update"), lambda: None, lambda _question: ANSWER, taps)
            nursery.start_soon(subscribe, path, receivers, Subscriptions(float), NOTHING, samples)
            await discovery.meet()
            await discovery.say(line(Fresh()) * 50)
            nursery.start_soon(others)
            while turns.count("update") < 50:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    await discovery.close()

    assert "update update update" not in " ".join(turns)  # trio shuffles who is first in a turn


async def test_taps_are_on_while_discovery_asks_for_them_and_off_when_it_has_gone(discovery, follower):
    await discovery.listen()
    await discovery.meet()

    await discovery.say(StartTap(1, TapFilter("shop/web")), StartTap(2, TapFilter("shop/api")), Fresh())
    await follower.next()
    on = follower.recorder.begin
    await discovery.say(StopTap(1), StopTap(2), StopTap(3), Fresh())
    await follower.next()
    off = follower.recorder.begin
    await discovery.say(StartTap(4, TapFilter("shop/web")), Fresh())
    await follower.next()
    await discovery.hang_up()
    await wait_all_tasks_blocked()

    assert on is not None and off is None and follower.recorder.begin is None
