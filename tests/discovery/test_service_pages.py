"""The pages that ask the workers, over the real socket; a worker here answers what the test tells it to."""

import json
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from discovery.observe.pages import ServicesPage, StatusPage
from discovery.observe.server import Asked
from discovery.observe.service_pages import EndpointsPage, ExplainPage
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.source import Batch
from discovery.workers.pending import Backlog
from discovery.workers.publish import Clock, Publisher
from discovery.workers.questions import ANSWER_S, Answered, Questions
from nodeproxy.mesh.model import Caller, Endpoint, Port, Service
from nodeproxy.mesh.questions import (
    Answer,
    Ask,
    CountersNow,
    CountersSent,
    Endpoints,
    EndpointsOf,
    EndpointState,
    PortEndpoints,
    SubscriptionAge,
    Subscriptions,
    SubscriptionsNow,
)
from nodeproxy.mesh.reports import Introduction
from nodeproxy.mesh.wire import LINE_LIMIT_BYTES, Callers, Replace, line, parse
from nodeproxy.policies.chain import CHAIN
from tests.discovery.kube import endpoint, own_policy_map, policy_map, put, service, slice_of
from tests.fakes.reports import port, process

pytestmark = pytest.mark.anyio
DEADLINE_S = 60  # only ever used up by a test that fails
ENDPOINT = Endpoint("10.0.0.1", 8080, node="n1", zone="z1", distance=1, subsets=("version=v2",))
WEB = Service("shop", "web", ports=(Port(80, endpoints=(ENDPOINT,)),))
SHY = Service("shop", "shy", ports=(Port(80),), unsubscribed=True)
WEB_ASKED, SHY_ASKED = Asked({"service": "web.shop"}), Asked({"service": "shop/shy"})


class Timer:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.limits = []
        self.passed = anyio.Event()

    async def sleep(self, seconds):
        if seconds != ANSWER_S:  # other tasks of the publisher
            await anyio.sleep_forever()
        self.limits.append(seconds)
        await self.passed.wait()


class Worker:
    """One that answers `answer(question)`, None for not at all; reports before the answer where it returns a list."""

    def __init__(self, number, answer):
        self.number = number
        self.answer = answer
        self.asked = []

    async def run(self, path, *, task_status):
        async with await anyio.connect_unix(path) as stream:
            await stream.send(line(Introduction(self.number, 100 + self.number)) + line(port()) + line(process()))
            lines = BufferedByteReceiveStream(stream)
            task_status.started()
            while True:
                message = parse(await lines.receive_until(b"\n", LINE_LIMIT_BYTES))
                if isinstance(message, Ask):
                    self.asked.append(message.question)
                    answer = self.answer(message.question)
                    if answer == "hang up":
                        return
                    *reports, answer = answer if isinstance(answer, list) else (answer,)
                    await stream.send(b"".join(map(line, reports)))
                    if answer is not None:
                        await stream.send(line(Answer(message.number, answer)))


@asynccontextmanager
async def node(path, *workers, publisher):
    """A publisher with these workers, which it knows."""
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as group:
            await group.start(publisher.serve, str(path / "socket"))
            for worker in workers:
                await group.start(worker.run, path / "socket")
            while sum(life.process is not None for life in publisher.reports.numbers().workers) < len(workers):
                await anyio.lowlevel.checkpoint()
            yield
            group.cancel_scope.cancel()


def publisher_of(*services, timer=None, on_demand=False):
    publisher = Publisher(Clock((timer or Timer()).sleep), wanted=(lambda _keys: None) if on_demand else None)
    publisher.publish({each.key: each for each in services}, in_sync=True)
    return publisher


def states(*found):
    return lambda _question: Endpoints((PortEndpoints("80", found),))


def body(page):
    assert page.status == 200, page.body
    return json.loads(page.body)


async def test_endpoints_are_told_by_worker_and_summed(tmp_path):
    one = Worker(0, states(EndpointState("10.0.0.1", 8080, 1, active=2, idle=3)))
    two = Worker(1, states(EndpointState("10.0.0.1", 8080, 1, active=1, ejected_s=0.5, ejections=2)))
    publisher = publisher_of(WEB)

    async with node(tmp_path, one, two, publisher=publisher):
        view = body(await EndpointsPage(publisher)(WEB_ASKED))

    ((told,),) = (each["endpoints"] for each in view["ports"])
    by_worker = told.pop("workers")
    assert told == {
        "address": "10.0.0.1:8080", "node": "n1", "zone": "z1", "distance": 1, "usable": False, "active": 3, "idle": 3,
        "subsets": ["version=v2"],
    }  # fmt: skip
    assert [(each["worker"], each["usable"], each["ejected_s"], each["ejections"]) for each in by_worker] == [
        (0, True, 0.0, 0),
        (1, False, 0.5, 2),
    ]
    assert (view["workers"], view["silent"]) == ([0, 1], [])
    assert one.asked == two.asked == [EndpointsOf("shop/web")]


async def test_a_worker_that_does_not_answer_in_time_is_named(tmp_path):
    timer = Timer()
    publisher = publisher_of(WEB, timer=timer)

    async with (
        node(tmp_path, Worker(0, states()), Worker(1, lambda _: None), publisher=publisher),
        anyio.create_task_group() as group,
    ):
        group.start_soon(when_answered, publisher, timer.passed)
        view = body(await EndpointsPage(publisher)(WEB_ASKED))

    assert (view["workers"], view["silent"], timer.limits) == ([0], [1], [ANSWER_S])


async def when_answered(publisher, event):
    """Sets `event` once a worker has answered."""
    while not any(asked.answers for asked in publisher._questions._open.values()):
        await anyio.lowlevel.checkpoint()
    event.set()


async def test_a_worker_that_hangs_up_is_not_waited_for(tmp_path):
    publisher = publisher_of(WEB)

    async with node(tmp_path, Worker(0, states()), Worker(1, lambda _: "hang up"), publisher=publisher):
        view = body(await EndpointsPage(publisher)(WEB_ASKED))

    assert (view["workers"], view["silent"]) == ([0], [1])


async def test_when_none_answers_the_page_says_which(tmp_path):
    timer = Timer()
    publisher = publisher_of(WEB, timer=timer)

    alone = await EndpointsPage(publisher)(WEB_ASKED)
    async with node(tmp_path, Worker(3, lambda _: timer.passed.set()), publisher=publisher):
        silent = await EndpointsPage(publisher)(WEB_ASKED)

    assert (alone.status, alone.body[:22]) == (503, b"no worker is connected")
    assert (silent.status, silent.body[:34]) == (504, b"worker 3 did not answer within 2 s")


async def test_an_answer_that_comes_too_late_is_dropped_and_the_next_question_answered(tmp_path):
    timer, late = Timer(), []
    publisher = publisher_of(WEB, timer=timer)

    async with node(tmp_path, Worker(0, lambda q: late.append(q) or timer.passed.set()), publisher=publisher):
        await EndpointsPage(publisher)(WEB_ASKED)
        async with await anyio.connect_unix(tmp_path / "socket") as stream:
            await stream.send(line(Introduction(0, 100)) + line(Answer(1, Endpoints())) + line(Answer(77, Endpoints())))
            lines = BufferedByteReceiveStream(stream)
            assert isinstance(parse(await lines.receive_until(b"\n", LINE_LIMIT_BYTES)), Replace)
            timer.passed = anyio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(EndpointsPage(publisher), WEB_ASKED)
                asked = parse(await lines.receive_until(b"\n", LINE_LIMIT_BYTES))
                await stream.send(line(Answer(asked.number, Endpoints())))

    assert asked == Ask(2, EndpointsOf("shop/web"))


async def test_a_question_that_could_not_be_sent_in_time_is_never_sent():
    timer, worker = Timer(), Backlog()
    timer.passed.set()

    answered = await Questions(timer.sleep).ask(SubscriptionsNow(), {worker: 4})
    worker.snapshot(Callers(()))

    assert answered == Answered({}, (4,))
    assert await worker.next_message(lambda: Replace(())) == Callers(())


async def test_an_unsubscribed_service_has_no_endpoints_and_says_why(tmp_path):
    publisher = publisher_of(SHY, on_demand=True)

    async with node(tmp_path, Worker(0, states()), publisher=publisher):
        view = body(await EndpointsPage(publisher)(SHY_ASKED))

    assert (view["subscribed"], view["ports"][0]["note"][:14]) == (False, "not subscribed")


def catalogue_of(*values, scope=None):
    catalogue = Catalogue(scope or Scope())
    catalogue.apply(Batch(tuple(map(put, values))))
    return catalogue


async def test_what_is_in_force_is_explained_with_what_is_refused():
    catalogue = catalogue_of(
        service("shop/web"),
        slice_of("shop/web", endpoint("10.0.0.1")),
        policy_map(_default="timeouts: {request: 10s}", web__shop="retries: {attempts: many}"),
        own_policy_map("shop/a", web="healthCheck: {path: /healthz}"),
        own_policy_map("shop/b", web="timeouts: {request: 1s}"),
    )
    catalogue.apply(Batch((put(own_policy_map("shop/a", web="healthCheck: {path: 7}")),)))
    publisher = publisher_of(*catalogue.services.values())

    told = body(await ExplainPage(publisher, catalogue)(Asked({"service": "web.shop", "port": "80"})))

    in_force = [policy.name for policy in CHAIN if policy.default or policy.name == "healthCheck"]
    assert [each["name"] for each in told["policies"]] == in_force
    assert [(each["configmap"], each["key"], each["layer"]) for each in told["layers"]] == [
        ("nodeproxy/nodeproxy-policy", "_default", "mesh"),
        ("shop/a", "web", "service web.shop"),
    ]
    assert [(each["configmap"], each["instead"]) for each in told["refused"]] == [
        ("nodeproxy/nodeproxy-policy", "nothing of it is in force"),
        ("shop/a", "its last valid version is in force"),
        ("shop/b", "nothing of it is in force"),
    ]
    assert "got 'many'" in told["refused"][0]["problem"]
    assert [(each["port"], each["served"], each["endpoints"]) for each in told["ports"]] == [("80", True, 1)]
    assert told["subscription"].startswith("all endpoints are followed")


async def test_a_request_is_explained_beside_the_policies():
    routes = "routes:\n- match: {path: {prefix: /a}, caller: {namespace: shop}}\n- directResponse: {status: 404}\n"
    catalogue = catalogue_of(service("shop/web"), own_policy_map("shop/a", web=routes))
    publisher = publisher_of(*catalogue.services.values())
    publisher.publish_snapshot(Callers((Caller("10.1.0.7", "shop", "cart"),)))
    page = ExplainPage(publisher, catalogue)

    known = body(await page(Asked({"service": "web.shop", "path": "/a/b", "from": "10.1.0.7"})))["request"]
    unknown = body(await page(Asked({"service": "web.shop", "path": "/a/b"})))["request"]
    wrong = await page(Asked({"service": "web.shop", "path": "a\x1b[31m"}))

    assert (known["taken"], known["remark"]) == ("1", "the pod at 10.1.0.7 is of shop/cart")
    assert (unknown["taken"], unknown["becomes"]) == ("2", "answered with status 404")
    assert [(each["key"], each["line"]) for each in unknown["rules"]] == [("web", 2), ("web", 3)]
    assert (wrong.status, b"\x1b" in wrong.body) == (400, False)


async def test_problems_of_the_service_are_told():
    catalogue = catalogue_of(service("shop/web"), slice_of("shop/web", endpoint("127.77.0.9")))

    told = body(await ExplainPage(publisher_of(*catalogue.services.values()), catalogue)(WEB_ASKED))

    assert "is an address of the mesh itself" in told["problems"][0]


async def test_the_last_good_state_is_told_as_what_it_is():
    publisher = Publisher()
    publisher.restore(Replace((Service("shop", "web", ports=(Port(80),), policies={"timeouts": {"request": "9s"}}),)))

    told = body(await ExplainPage(publisher, catalogue_of())(WEB_ASKED))

    fields = {each["field"]: (each["value"], each["origin"]) for each in told["policies"][0]["fields"]}
    assert fields["request"] == ("9s", "last good state")
    assert told["subscription"].startswith("the last good state on disk")


@pytest.mark.parametrize(
    ("asked", "ages", "text"),
    [
        (WEB_ASKED, [(35.0, 5.0)], "worker 0 for 35 s, last seen in use 5 s ago"),
        (WEB_ASKED, [], "subscribed, but no worker needs it any more"),
        (
            SHY_ASKED,
            [(1.0, 1.0)],
            "subscribed, its endpoints have not arrived yet; see `nodeproxy status`; worker 0 for",
        ),
        (SHY_ASKED, [], "not subscribed: this node follows endpoints on demand"),
        (SHY_ASKED, None, "not subscribed: this node follows endpoints on demand"),
    ],
)
async def test_a_subscription_is_explained(tmp_path, asked, ages, text):
    timer = Timer()
    publisher = publisher_of(WEB, SHY, timer=timer, on_demand=True)

    def answer(question):
        if ages is None:
            timer.passed.set()
            return None
        return Subscriptions(tuple(SubscriptionAge(question.service, *each) for each in ages))

    async with node(tmp_path, Worker(0, answer), publisher=publisher):
        told = body(await ExplainPage(publisher, catalogue_of())(asked))["subscription"]

    assert told.startswith(text)
    assert ("worker 0 did not answer within 2 s" in told) == (ages is None)


async def test_unknown_services_are_404_on_both_pages():
    publisher = publisher_of(WEB)

    pages = EndpointsPage(publisher), ExplainPage(publisher, catalogue_of())
    assert [(await page(Asked({"service": "wep.shop"}))).status for page in pages] == [404, 404]


async def test_the_numbers_of_services_are_those_of_now_and_the_last_ones_of_a_silent_worker(tmp_path):
    timer = Timer()
    publisher = publisher_of(WEB, timer=timer)
    one = Worker(0, lambda _: [port(requests=40), process(), CountersSent()])
    two = Worker(1, lambda _: [port(requests=2), process(), None])

    async with node(tmp_path, one, two, publisher=publisher), anyio.create_task_group() as group:
        group.start_soon(when_answered, publisher, timer.passed)
        (web,) = body(await ServicesPage(publisher)(Asked()))

    assert one.asked == two.asked == [CountersNow()]
    assert 40 <= web["requests"] <= 42  # what came of the silent one meanwhile, if anything


async def test_the_status_has_subscriptions_and_callers(tmp_path):
    publisher = publisher_of(WEB, SHY, on_demand=True)
    publisher.publish_snapshot(Callers((Caller("10.244.1.5", "shop", "cart"),)))
    one = Worker(0, lambda _: Subscriptions((SubscriptionAge("shop/web", 60.0, 5.0),)))
    two = Worker(
        1, lambda _: Subscriptions((SubscriptionAge("shop/web", 70.0, 9.0), SubscriptionAge("shop/a", 1.0, 0.0)))
    )

    async with node(tmp_path, one, two, publisher=publisher):
        status = body(await StatusPage(publisher)(Asked()))

    assert status["subscriptions"] == [
        {"service": "shop/a", "workers": [1], "since_s": 1.0, "unused_s": 0.0},
        {"service": "shop/web", "workers": [0, 1], "since_s": 70.0, "unused_s": 5.0},
    ]
    assert status["callers"] == [{"address": "10.244.1.5", "namespace": "shop", "workload": "cart"}]
    assert (status["services"], status["unsubscribed"], status["restored"]) == (2, 1, False)
    assert one.asked == [SubscriptionsNow()]
