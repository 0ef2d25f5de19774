"""Failures on their way to the list of recent errors: which exchanges are noted, what of them, and how many."""

import pytest

from nodeproxy.errors import ForwardsUsedUp
from nodeproxy.exchange.failures import HELD_MOST, RATE_MOST, TEXT_MOST, FailureLog
from nodeproxy.mesh.failures import Failure
from tests.fakes.exchanges import exchange


def log(now=lambda: 0.0):
    return FailureLog(now, lambda: 1.7e9)


def test_what_is_left_of_an_exchange_is_noted_without_its_query():
    failures, one = log(), exchange()
    one.request.path, one.tries = b"/basket?token=secret", 3

    failures.note(one, "shop/web:80", 503, "no-endpoints")

    assert failures.taken() == [Failure(1.7e9, "shop/web:80", 503, "no-endpoints", "unknown", "GET", "/basket", 3, "")]
    assert failures.taken() == []


def test_a_long_path_is_cut():
    failures, one = log(), exchange()
    one.request.path = b"/" + b"<" * TEXT_MOST

    failures.note(one, "", 400, "bad-request")

    (found,) = failures.taken()
    assert len(found.path) == TEXT_MOST and found.path.startswith("/<")


@pytest.mark.parametrize("reason", [ForwardsUsedUp.reason, "drained", "cancelled"])
def test_an_end_that_is_meant_so_is_no_failure(reason):
    failures = log()

    failures.note(exchange(), "", 0, reason)

    assert failures.taken() == []


def test_a_flood_is_bounded_and_the_rest_counted():
    now = [5.0]
    failures = log(lambda: now[0])
    for _ in range(RATE_MOST + 7):
        failures.note(exchange(), "", 503, "timeout")
    now[0] = 6.0
    failures.note_refused(400, "bad-request", ("", "node"))

    found = failures.taken()
    assert (len(found), failures.left_out) == (RATE_MOST + 1, 7)
    assert found[-1] == Failure(1.7e9, "", 400, "bad-request", "node", "", "", 0, "")


def test_what_nobody_takes_is_bounded_too():
    now = [0.0]
    failures = log(lambda: now[0])
    for second in range(HELD_MOST):
        now[0] = float(second)
        failures.note(exchange(), "", 503, "timeout")
        failures.note(exchange(), "", 503, "timeout")

    assert (len(failures.taken()), failures.left_out) == (HELD_MOST, HELD_MOST)


GET = b"GET /%b HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"


@pytest.mark.parametrize(("status", "noted"), [(200, 0), (404, 0), (500, 1), (503, 1)])
async def test_of_an_endpoints_answers_those_of_500_and_above_are_noted(world, status, noted):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET % b"x?y")
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 %d Z\r\nContent-Length: 2\r\n\r\nok" % status)
    await client.until(b"ok")
    await world.settle()

    found = [(each.service_port, each.status, each.reason, each.path) for each in world.plane.failures.taken()]
    assert found == [("shop/web:80", status, "", "/x")] * noted


async def test_an_error_of_the_mesh_is_noted_with_its_reason(world):
    world.serve()
    client = await world.client()
    await client.send((GET % b"x").replace(b"web.shop", b"wep.shop"))
    await client.until(b"unknown-service")
    await world.settle()

    (found,) = world.plane.failures.taken()
    assert (found.service_port, found.status, found.reason) == ("", 404, "unknown-service")


async def test_what_is_no_request_is_noted(world):
    client = await world.client()
    await client.send(b"nonsense\r\n\r\n")
    await client.until(b"bad-request")
    await world.settle()

    (found,) = world.plane.failures.taken()
    assert (found.status, found.reason, found.path) == (400, "bad-request", "")
