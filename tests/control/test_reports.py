"""What a worker reports: what has changed, in small steps, and everything to a new peer."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from nodeproxy.control.reports import ROUND_S, STEP_PORTS, STEP_S, PortNumbers, Reporter, Sources
from nodeproxy.mesh.questions import Answer, CountersSent
from nodeproxy.mesh.reports import (
    UNROUTED,
    Decision,
    Introduction,
    PortGone,
    PortKey,
    PortReport,
    PortState,
    ProcessReport,
    RequestKind,
)
from nodeproxy.mesh.wire import parse_upward
from nodeproxy.telemetry.stats import RouteStats
from tests.fakes.reports import process

CALLER = ("shop", "cart")


class Worker:
    """A worker with these services, each with one port."""

    def __init__(self, *services):
        self.unrouted = RouteStats()
        self.stats = {service: RouteStats() for service in services}
        self.states = {}
        self.sent = []
        self.sources = Sources(Introduction(3, 77), self.unrouted, lambda: self.stats, self.ports, process)

    def ports(self, service):
        if service in self.stats:
            key = PortKey(*service.split("/"), "80")
            yield PortNumbers(key, self.stats[service], 0, self.states.get(service, PortState()))

    async def send(self, lines):
        self.sent.append([parse_upward(text) for text in lines.splitlines()])

    def taken(self):
        """What was sent since the last call, without the reports of the process."""
        messages = [each for batch in self.sent for each in batch if not isinstance(each, ProcessReport)]
        self.sent = []
        return messages


def test_a_port_is_reported_whole():
    worker = Worker("shop/web")
    worker.stats["shop/web"].count(200, "", CALLER, 0.0007)
    worker.stats["shop/web"].count(503, "no-endpoints", CALLER, 99.0)
    worker.stats["shop/web"].retries = 2
    worker.states["shop/web"] = PortState(1, 5, 4)

    (report,) = Reporter(worker.sources).changes_of("shop/web")

    assert report.key == PortKey("shop", "web", "80")
    assert dict(report.counters.requests) == {
        RequestKind(200, "", *CALLER): 1,
        RequestKind(503, "no-endpoints", *CALLER): 1,
    }
    assert report.counters.durations == (0, 1, *(0,) * 12, 1)
    assert (report.counters.seconds, report.counters.retries) == (99.0007, 2)
    assert report.state == PortState(1, 5, 4)


def test_a_port_is_reported_again_only_when_it_has_changed():
    worker = Worker("shop/web")
    reporter = Reporter(worker.sources)

    first = reporter.changes_of("shop/web")
    unchanged = reporter.changes_of("shop/web")
    worker.stats["shop/web"].count(200, "", CALLER, 0.0)
    called = reporter.changes_of("shop/web")
    worker.states["shop/web"] = PortState(1, 1, 1)
    busy = reporter.changes_of("shop/web")

    assert [len(each) for each in (first, unchanged, called, busy)] == [1, 0, 1, 1]


def test_a_decision_of_a_policy_is_a_change():
    worker = Worker("shop/web")
    reporter = Reporter(worker.sources)
    reporter.changes_of("shop/web")

    worker.stats["shop/web"].decisions["rateLimit", "rejected", "shadow"] = 3
    (report,) = reporter.changes_of("shop/web")

    assert report.counters.decisions == ((Decision("rateLimit", "rejected", "shadow"), 3),)


def test_a_command_of_redis_is_a_change():
    worker = Worker("shop/cache")
    reporter = Reporter(worker.sources)

    reporter.changes_of("shop/cache")
    worker.stats["shop/cache"].redis_commands = {"get": 1}
    (report,) = reporter.changes_of("shop/cache")
    again = reporter.changes_of("shop/cache")

    assert report.counters.redis_commands == {"get": 1}
    assert again == []


def test_a_call_of_a_policy_of_ones_own_is_a_change():
    worker = Worker("shop/web")
    reporter = Reporter(worker.sources)

    reporter.changes_of("shop/web")
    counted = worker.stats["shop/web"].of_own_policy("stamp")
    counted.calls, counted.seconds = 2, 0.5
    (report,) = reporter.changes_of("shop/web")
    again = reporter.changes_of("shop/web")

    assert (report.counters.own_policy_calls, report.counters.own_policy_seconds) == ({"stamp": 2}, {"stamp": 0.5})
    assert again == []


def test_a_port_that_is_gone_is_said_once():
    worker = Worker("shop/web")
    reporter = Reporter(worker.sources)
    reporter.changes_of("shop/web")
    del worker.stats["shop/web"]

    assert reporter.changes_of("shop/web") == [PortGone(PortKey("shop", "web", "80"))]
    assert reporter.changes_of("shop/web") == []


def test_requests_without_a_service_are_reported_too():
    worker = Worker()
    worker.unrouted.count(404, "unknown-service", CALLER, 0.0)

    (report,) = Reporter(worker.sources).changes_of("")

    assert report.key == UNROUTED
    assert dict(report.counters.requests) == {RequestKind(404, "unknown-service", *CALLER): 1}


@pytest.mark.trio
async def test_each_round_ends_with_the_process_and_holds_what_is_new(autojump_clock, nursery):
    worker = Worker("shop/web", "shop/api")
    nursery.start_soon(Reporter(worker.sources).run, worker.send)
    await wait_all_tasks_blocked()
    first = [each for batch in worker.sent for each in batch]
    worker.sent = []

    worker.stats["shop/web"].count(200, "", CALLER, 0.0)
    del worker.stats["shop/api"]
    await trio.sleep(1.5 * ROUND_S)
    second = [each for batch in worker.sent for each in batch]

    assert first[0] == Introduction(3, 77)
    assert {each.key.service for each in first[1:-1]} == {"", "web", "api"}
    assert isinstance(first[-1], ProcessReport)
    assert {type(each): each.key.service for each in second[:-1]} == {PortReport: "web", PortGone: "api"}
    assert isinstance(second[-1], ProcessReport)


@pytest.mark.trio
async def test_a_question_for_the_counters_is_answered_by_a_round_that_began_after_it(autojump_clock, nursery):
    worker = Worker("shop/web")
    reporter = Reporter(worker.sources)
    nursery.start_soon(reporter.run, worker.send)
    await wait_all_tasks_blocked()
    worker.sent, began = [], trio.current_time()

    worker.stats["shop/web"].count(200, "", CALLER, 0.0)
    reporter.ask(7)
    reporter.ask(9)
    await trio.sleep(STEP_S * 1.5)
    report, process_report, *answers = [each for batch in worker.sent for each in batch]

    assert (report.key.service, type(process_report)) == ("web", ProcessReport)
    assert answers == [Answer(7, CountersSent()), Answer(9, CountersSent())]
    assert trio.current_time() - began < ROUND_S / 2


@pytest.mark.trio
async def test_a_question_during_a_round_is_answered_by_the_next_one(autojump_clock, nursery):
    worker = Worker(*(f"shop/s{number}" for number in range(STEP_PORTS * 3)))
    reporter = Reporter(worker.sources)
    nursery.start_soon(reporter.run, worker.send)
    await wait_all_tasks_blocked()  # within the first round, between two steps

    reporter.ask(7)
    await trio.sleep(STEP_S * 20)
    kinds = [type(each) for batch in worker.sent for each in batch if isinstance(each, ProcessReport | Answer)]

    assert kinds == [ProcessReport, ProcessReport, Answer]


@pytest.mark.trio
async def test_a_new_peer_is_told_everything(autojump_clock):
    worker = Worker("shop/web")

    for _ in range(2):
        with trio.move_on_after(ROUND_S / 2):
            await Reporter(worker.sources).run(worker.send)
        assert [type(each) for each in worker.taken()] == [Introduction, PortReport, PortReport]


@pytest.mark.trio
@pytest.mark.parametrize("services", [STEP_PORTS * 3, STEP_PORTS * 500])
async def test_between_two_steps_the_hot_lane_has_its_turn(autojump_clock, nursery, services):
    worker = Worker(*(f"shop/s{number}" for number in range(services)))
    nursery.start_soon(Reporter(worker.sources).run, worker.send)
    await trio.sleep(30 * ROUND_S)

    sizes = [len(batch) for batch in worker.sent]

    assert max(sizes) <= STEP_PORTS
    assert sum(len(batch) for batch in worker.sent if isinstance(batch[0], PortReport)) == services + 1


@pytest.mark.trio
async def test_a_peer_that_does_not_read_holds_one_step_and_gets_the_newest_values(autojump_clock, nursery):
    worker = Worker("shop/web")
    reading = trio.Event()

    async def send(lines):
        await reading.wait()
        await worker.send(lines)

    nursery.start_soon(Reporter(worker.sources).run, send)
    await trio.sleep(10 * ROUND_S)
    worker.stats["shop/web"].count(200, "", CALLER, 0.0)
    reading.set()
    await wait_all_tasks_blocked()

    (web,) = (each for each in worker.taken() if isinstance(each, PortReport) and each.key.service)
    assert dict(web.counters.requests) == {RequestKind(200, "", *CALLER): 1}
