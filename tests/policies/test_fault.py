"""`fault`: requests are delayed or answered, over real sockets, as often as the settings say."""

import pytest

from nodeproxy.exchange.body import WholeBody
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.fault import POLICY
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import exchange, run
from tests.fakes.grpc import GrpcMesh
from tests.fakes.mirrored import GET, OK, service
from tests.fakes.tables import Mesh, web

ABORT = {"fault": {"abort": {"httpStatus": 503, "percentage": 100}}}


def delay(percentage=100, **fields):
    return {"fault": {"delay": {"fixedDelay": "20s", "percentage": percentage}, **fields}}


def route_of(policies):
    return Mesh(Replace((web(policies={"retries": {"attempts": 0}, **policies}),))).match(b"web.shop.mesh")


def statuses(route, number):
    return [run(route.handler(exchange())).status for _ in range(number)]


def numbers(route):
    return POLICY.numbers(route.states["fault"])


async def test_an_aborted_request_is_answered_by_the_mesh_and_reaches_no_endpoint(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=ABORT)
    client = await world.client()

    await client.send(GET)

    answer = await client.until(b"no endpoint\n")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and b"x-mesh-error: fault-injected\r\n" in answer
    assert endpoint.nobody_came()
    assert world.log[-1][2:4] == (503, "fault-injected")


async def test_a_delayed_request_goes_on_after_its_delay_with_all_its_time(world):
    world.sleep = world.reactor.sleep
    endpoint = world.endpoint()
    world.serve(endpoint, policies={**delay(), "timeouts": {"request": "15s"}})
    client = await world.client()
    await client.send(GET)
    await world.settle()
    world.advance(19.9)
    await world.settle()
    assert endpoint.nobody_came() and numbers(world.route) == {"delayed": 1}

    world.advance(0.2)
    peer = await endpoint.accept()
    await peer.head()
    world.advance(14)
    await world.settle()
    await peer.send(OK)

    assert (await client.until(b"ok")).startswith(b"HTTP/1.1 200 ")
    await world.settle()
    assert world.log[-1][4] == pytest.approx(34.1) and numbers(world.route) == {"delayed": 0}


async def test_a_client_that_leaves_ends_its_delay(world):
    world.sleep = world.reactor.sleep
    endpoint = world.endpoint()
    world.serve(endpoint, policies=delay())
    client = await world.client()
    await client.send(GET)
    await world.settle()
    assert numbers(world.route) == {"delayed": 1}

    client.reset()
    await world.settle()

    assert numbers(world.route) == {"delayed": 0}
    assert world.log[-1][2:4] == (499, "client-gone") and endpoint.nobody_came()


async def test_no_more_requests_wait_than_the_bound(world):
    world.sleep = world.reactor.sleep
    endpoint = world.endpoint()
    world.serve(endpoint, policies=delay(maxActive=1))
    first, second = await world.client(), await world.client()
    await first.send(GET)
    await world.settle()

    await second.send(GET)
    await (await endpoint.accept()).send(OK)

    assert (await second.until(b"ok")).startswith(b"HTTP/1.1 200 ")
    assert world.route.stats.decisions == {("fault", "delayed", "enforce"): 1, ("fault", "not-delayed", "enforce"): 1}


async def test_only_requests_that_match_are_chosen(world):
    match = {"path": {"prefix": "/a"}, "headers": [{"name": "x-id", "regex": "[0-9]"}]}
    endpoint = world.endpoint()
    world.install(Replace((service("web", endpoint, policies={"fault": {**ABORT["fault"], "match": match}}),)))
    client = await world.client()

    await client.send(GET.replace(b"/a?b", b"/ab"))
    await (await endpoint.accept()).send(OK)
    other = await client.until(b"ok")
    await client.send(GET)
    matching = await client.head()

    assert other.startswith(b"HTTP/1.1 200 ") and matching.startswith(b"HTTP/1.1 503 ")


async def test_a_grpc_client_gets_the_status(world):
    mesh = GrpcMesh(world, {"fault": {"abort": {"grpcStatus": "RESOURCE_EXHAUSTED", "percentage": 100}}})

    number = await mesh.ask()

    assert await mesh.status_of(number) == 8
    assert await mesh.none_arrives()


@pytest.mark.parametrize(
    ("abort", "status"),
    [({"grpcStatus": "UNAVAILABLE"}, 503), ({"grpcStatus": "NOT_FOUND"}, 404), ({"httpStatus": 418}, 418)],
)
def test_a_client_without_grpc_gets_the_http_status(abort, status):
    assert statuses(route_of({"fault": {"abort": {**abort, "percentage": 100}}}), 1) == [status]


def test_as_many_are_aborted_as_the_percentage_says():
    route = route_of({"fault": {"abort": {"httpStatus": 500, "percentage": 12.5}}})

    assert statuses(route, 80).count(500) == 10
    assert route.stats.decisions == {("fault", "aborted", "enforce"): 10}


def test_retries_and_fallback_do_not_make_up_for_it():
    policies = {**ABORT, "retries": {"retryOn": ["5xx"]}, "fallback": {"on": ["5xx"], "response": {"status": 200}}}

    assert statuses(route_of(policies), 1) == [503]


def test_a_request_that_is_chosen_twice_waits_and_fails():
    route = route_of({"fault": {**delay()["fault"], **ABORT["fault"]}})

    assert statuses(route, 1) == [503]
    assert route.stats.decisions == {("fault", "delayed", "enforce"): 1, ("fault", "aborted", "enforce"): 1}


def test_in_shadow_mode_requests_go_on_and_are_counted():
    one = exchange(b"PUT", WholeBody(b"1"))
    route = route_of({"fault": {**delay()["fault"], **ABORT["fault"], "mode": "shadow"}})

    assert run(route.handler(one)).status == 200
    assert one.shadowed == ("fault:delayed", "fault:aborted") and one.started == 1000.0


def test_requests_that_wait_are_counted_on_when_the_settings_change():
    mesh = Mesh(Replace((web(policies=delay()),)))
    before = mesh.match(b"web.shop.mesh").states["fault"].delayed

    mesh.live.install(Put(web(policies=delay(50))))

    assert mesh.match(b"web.shop.mesh").states["fault"].delayed is before


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "fault: no request is chosen; write a percentage above 0 under delay or abort"),
        ({"delay": {"fixedDelay": "1s"}}, "fault: no request is chosen"),
        ({"abort": {"percentage": 5}}, "fault.abort: exactly one of httpStatus and grpcStatus"),
        (
            {"abort": {"httpStatus": 200, "percentage": 5}},
            r"^fault\.abort\.httpStatus: expected at least 400, got 200$",
        ),
        (
            {"abort": {"grpcStatus": "OK", "percentage": 5}},
            r"^fault\.abort\.grpcStatus: expected one of CANCELLED, .*, got 'OK'$",
        ),
        ({"delay": {"fixedDelay": 5, "percentage": 1}}, "fault.delay.fixedDelay: not a duration"),
        (
            {"delay": {"fixedDelay": "5s", "percentage": 1}, "match": {"path": {"regex": "("}}},
            "fault.match.path.regex: '.' is not a pattern of RE2",
        ),
    ],
)
def test_what_cannot_be_a_fault_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"fault": written})
