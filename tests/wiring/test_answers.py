"""A worker's answers about its table, with real connections to scripted endpoints."""

import pytest

from nodeproxy.balance.health import connect_failed
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.questions import (
    ENDPOINTS_MOST,
    SUBSCRIPTIONS_MOST,
    EndpointsOf,
    EndpointState,
    PortEndpoints,
    SubscriptionAge,
    SubscriptionsNow,
)
from nodeproxy.mesh.wire import Replace
from nodeproxy.wiring.answers import Answers

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def answers(world):
    return Answers(world.live, world.clusters, world.clock)


def of(world, *services):
    world.install(Replace(services))


def many(number, port=80):
    return Port(port, endpoints=tuple(Endpoint(f"10.0.{index // 250}.{index % 250}", 80) for index in range(number)))


async def test_an_endpoint_says_what_is_under_way_and_what_is_idle(world, answers):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    served = await endpoint.accept()
    await served.head()
    (during,) = answers(EndpointsOf("shop/web")).ports
    await served.send(EMPTY)
    await client.head()
    await world.settle()
    (after,) = answers(EndpointsOf("shop/web")).ports

    assert during == PortEndpoints("80", (EndpointState("127.0.0.1", endpoint.port, active=1),))
    assert after == PortEndpoints("80", (EndpointState("127.0.0.1", endpoint.port, idle=1),))


def test_ejected_and_unhealthy_endpoints_are_told_with_the_time_that_is_left(world, answers):
    of(world, Service("shop", "web", ports=(many(2),)))
    ejected, unhealthy = world.clusters.get("shop/web:80").endpoints
    connect_failed(ejected.health, world.clock())
    unhealthy.health.probes_down = True
    world.advance(0.25)

    ((first, second),) = (port.endpoints for port in answers(EndpointsOf("shop/web")).ports)

    assert first == EndpointState("10.0.0.0", 80, ejected_s=0.75, ejections=1)
    assert second == EndpointState("10.0.0.1", 80, unhealthy=True)
    assert not first.usable and not second.usable


def test_one_port_is_told_alone(world, answers):
    of(world, Service("shop", "web", ports=(many(1), many(1, 8080))))

    assert [port.port for port in answers(EndpointsOf("shop/web")).ports] == ["80", "8080"]
    assert [port.port for port in answers(EndpointsOf("shop/web", 8080)).ports] == ["8080"]


@pytest.mark.parametrize("question", [EndpointsOf("shop/web"), EndpointsOf("shop/other", 80)])
def test_a_service_that_is_not_in_the_table_has_no_ports(answers, question):
    assert answers(question).ports == ()


def test_an_answer_is_bounded_and_has_the_endpoints_out_of_use_first(world, answers):
    of(world, Service("shop", "web", ports=(many(ENDPOINTS_MOST + 10), many(3, 8080))))
    last = world.clusters.get("shop/web:80").endpoints[-1]
    last.health.probes_down = True

    first, second = answers(EndpointsOf("shop/web")).ports

    assert (len(first.endpoints), first.left_out) == (ENDPOINTS_MOST, 10)
    assert first.endpoints[0] == EndpointState(*last.address, unhealthy=True)
    assert (second.endpoints, second.left_out) == ((), 3)


def test_subscriptions_are_told_with_their_age(world, answers):
    world.live.subscriptions.want("shop/web")
    world.advance(5)
    world.live.subscriptions.want("shop/api")

    every, one = answers(SubscriptionsNow()), answers(SubscriptionsNow("shop/web"))

    assert every.subscriptions == (SubscriptionAge("shop/api", 0.0, 0.0), SubscriptionAge("shop/web", 5.0, 5.0))
    assert one.subscriptions == (SubscriptionAge("shop/web", 5.0, 5.0),)


def test_subscriptions_without_end_are_counted(world, answers):
    for number in range(SUBSCRIPTIONS_MOST + 1):
        world.live.subscriptions.want(f"shop/s{number}")

    answer = answers(SubscriptionsNow())

    assert (len(answer.subscriptions), answer.left_out) == (SUBSCRIPTIONS_MOST, 1)
