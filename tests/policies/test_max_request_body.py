"""`maxRequestBody`: 413 by the declared length, or where a body grows too large."""

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, lists

from nodeproxy.errors import BodyTooLarge
from nodeproxy.exchange.body import WholeBody
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import Pieces, exchange, run
from tests.fakes.tables import Mesh, web

FOUR = {"maxRequestBody": {"limit": 4}}
SHADOW = {"maxRequestBody": {"limit": 4, "mode": "shadow"}}


def route_of(policies, **changes):
    mesh = Mesh(Replace((web(policies={"retries": {"attempts": 0}, **policies, **changes}),)))
    return mesh.match(b"web.shop.mesh")


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"1234", 200), (b"12345", 413)])
def test_a_declared_body_is_refused_beyond_the_limit(body, status):
    route = route_of(FOUR)

    assert run(route.handler(exchange(b"PUT", WholeBody(body)))).status == status
    assert route.stats.decisions == ({("maxRequestBody", "rejected", "enforce"): 1} if status == 413 else {})


def test_a_refusal_says_what_was_sent_and_what_is_allowed():
    response = run(route_of(FOUR).handler(exchange(b"PUT", WholeBody(b"12345"))))

    assert response.reason == "body-too-large"
    assert b"the request has 5 bytes of body; the service's policy maxRequestBody allows 4" in response.first


@given(pieces=lists(binary(min_size=1, max_size=9), max_size=9), limit=integers(0, 40))
def test_no_more_than_the_limit_is_ever_read_of_a_body_of_unknown_length(pieces, limit):
    route, size = route_of({"maxRequestBody": {"limit": limit}}), sum(map(len, pieces))

    if size <= limit:
        assert run(route.handler(exchange(b"PUT", Pieces(*pieces)))).status == 200
    else:
        with pytest.raises(BodyTooLarge):
            run(route.handler(exchange(b"PUT", Pieces(*pieces))))
    assert route.stats.decisions.get(("maxRequestBody", "cut-off", "enforce"), 0) == (size > limit)


def test_trailers_of_a_bounded_body_go_on():
    one = exchange(b"PUT", Pieces(b"12", trailers=b"A: 1\r\n"))

    run(route_of(FOUR).handler(one))

    assert one.body.trailers == b"A: 1\r\n"


def test_a_body_that_is_sent_again_is_bounded_from_its_beginning():
    mesh = Mesh(Replace((web(policies={**FOUR, "retries": {"attempts": 1, "retryOn": ["5xx"]}}),)))
    one = exchange(b"PUT", Pieces(b"12", b"34"))
    run(mesh.match(b"web.shop.mesh").handler(one))

    assert one.body.rewind()
    assert run(one.body.read()) + run(one.body.read()) + run(one.body.read()) == b"1234"


def test_in_shadow_mode_bodies_go_on_and_are_counted():
    route, one, other = route_of(SHADOW), exchange(b"PUT", WholeBody(b"12345")), exchange(b"PUT", Pieces(b"12", b"345"))

    assert [run(route.handler(each)).status for each in (one, other)] == [200, 200]
    assert one.shadowed == ("maxRequestBody:rejected",)
    assert route.stats.decisions == {
        ("maxRequestBody", "rejected", "shadow"): 1,
        ("maxRequestBody", "cut-off", "shadow"): 1,
    }


def test_a_changed_limit_is_in_force_at_once():
    mesh = Mesh(Replace((web(policies=FOUR),)))

    mesh.live.install(Put(web(policies={"maxRequestBody": {"limit": "1Ki"}})))

    assert run(mesh.match(b"web.shop.mesh").handler(exchange(b"PUT", WholeBody(b"1" * 1024)))).status == 200


def test_a_service_without_the_policy_reads_bodies_directly():
    one = exchange(b"PUT", body := Pieces(b"12345"))

    run(route_of({}).handler(one))

    assert one.body is body


@pytest.mark.parametrize("limit", ["1 Mi", -1, "1MB", None, 1.5])
def test_what_is_no_limit_is_refused(limit):
    with pytest.raises(PolicyRefused, match=r"^maxRequestBody\.limit: not a size; write one as 65536, 64Ki or 1Mi"):
        settings_of({"maxRequestBody": {"limit": limit}})


async def test_a_client_that_expects_100_is_refused_before_it_sends_and_no_endpoint_is_called(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"maxRequestBody": {"limit": "1Ki"}})
    client = await world.client()

    await client.send(b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 1025\r\nExpect: 100-continue\r\n\r\n")

    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 413 ") and b"x-mesh-error: body-too-large\r\n" in answer
    assert endpoint.nobody_came()
    assert world.log[-1][2:4] == (413, "body-too-large")


async def test_a_chunked_body_is_cut_off_and_its_endpoint_does_not_take_it_for_whole(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"maxRequestBody": {"limit": 8}})
    client = await world.client()

    await client.send(b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
    peer = await endpoint.accept()
    await peer.until(b"12345\r\n")
    await client.send(b"5\r\n67890\r\n0\r\n\r\n")

    assert await peer.rest() == b""
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert world.route.stats.decisions == {("maxRequestBody", "cut-off", "enforce"): 1}


async def test_a_response_that_has_begun_is_broken_off(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"maxRequestBody": {"limit": 8}})
    client = await world.client()
    await client.send(b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
    peer = await endpoint.accept()
    await peer.until(b"12345\r\n")
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    assert (await client.until(b"abc")).startswith(b"HTTP/1.1 200 ")

    await client.send(b"5\r\n67890\r\n0\r\n\r\n")

    assert await client.rest() == b""
    assert await peer.rest() == b""
