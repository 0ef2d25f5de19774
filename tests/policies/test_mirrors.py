"""`mirrors`: copies of requests go to another service, over real sockets, and originals never notice."""

import re

import pytest

from nodeproxy.exchange.body import WholeBody
from nodeproxy.io.background import TASKS_MOST
from nodeproxy.io.event import Event
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.mirroring import PAUSE_S, RESPONSE_BYTES
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.policies.tee import BodyCopy, Tee
from tests.fakes.grpc import GrpcMesh, answer, refuse
from tests.fakes.mirrored import GET, NEXT, OK, Mirrored, service

PUT = b"PUT /u HTTP/1.1\r\nHost: web.shop.mesh\r\n"
FORWARDED = re.compile(rb"(?i)\r\nx-mesh-mirror: 1(?=\r\n)")


async def first_of(world, *servers):
    """The server that is connected to next, and the connection."""
    while True:
        for server in servers:
            if (peer := server.waiting()) is not None:
                return server, peer
        await world.reactor.rest()


async def test_a_copy_is_the_request_with_a_mark_and_its_response_is_dropped(world):
    mesh, client = Mirrored(world), await world.client()

    await client.send(PUT + b"Content-Length: 3\r\nX-Id: 7\r\n\r\nabc")
    original, copy = await mesh.web.accept(), await mesh.next.accept()
    seen, copied = await original.until(b"\r\n\r\nabc"), await copy.until(b"\r\n\r\nabc")
    await copy.send(b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nevil")
    await world.settle()
    await original.send(OK)

    assert FORWARDED.sub(b"", copied) == seen and FORWARDED.search(copied)
    answer = await client.until(b"\r\n\r\nok")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"evil" not in answer
    assert mesh.outcomes() == {"sent": 1}


async def test_an_original_is_answered_while_its_copy_hangs_and_later_copies_are_dropped(world):
    mesh = Mirrored(world, {"mirrors": {"targets": [{"service": "next"}], "maxInFlight": 2}})
    client = await world.client()

    for _ in range(5):
        assert (await mesh.answered(client)).startswith(b"HTTP/1.1 200 ")

    assert mesh.outcomes() == {"full": 3} and mesh.under_way() == 2
    world.advance(5.1)
    await world.settle()
    assert mesh.outcomes() == {"full": 3, "failed": 2} and mesh.under_way() == 0


async def test_a_copy_without_endpoints_or_service_costs_a_count(world):
    mesh, client = Mirrored(world, {"mirrors": [{"service": "next"}, {"service": "gone"}]}), await world.client()
    mesh.next.stop()
    world.install(Put(Service("shop", "next", "", (Port(80),))))

    assert (await mesh.answered(client)).startswith(b"HTTP/1.1 200 ")
    await world.settle()

    assert mesh.outcomes() == {"failed": 2}


async def test_a_copy_goes_on_when_the_client_has_left(world):
    mesh, client = Mirrored(world), await world.client()
    await client.send(GET)
    await mesh.web.accept()
    copy = await mesh.next.accept()

    client.reset()
    await world.settle()
    await copy.head()
    await copy.send(OK)
    await world.settle()

    assert mesh.outcomes() == {"sent": 1}


async def test_a_flood_is_cut_off_and_its_connection_closed(world):
    mesh, client = Mirrored(world), await world.client()
    assert (await mesh.answered(client)).startswith(b"HTTP/1.1 200 ")
    copy = await mesh.next.accept()
    await copy.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    flood = b"10000\r\n" + b"f" * 0x10000 + b"\r\n"

    async def send():
        for _ in range(RESPONSE_BYTES // 0x10000 + 2):
            await copy.send(flood)

    sending = world.reactor.spawn(send())
    while not mesh.outcomes():
        world.advance(0.003)
        await world.settle(2)
    sending.cancel()

    assert mesh.outcomes() == {"cut-off": 1} and mesh.under_way() == 0
    assert world.clusters.get("shop/next:80").endpoints[0].active == 0


async def test_as_many_are_copied_as_the_percentage_says(world):
    mesh, client = Mirrored(world, {"mirrors": [{"service": "next", "percentage": 25}]}), await world.client()

    for _ in range(8):
        await mesh.answered(client)
        await world.settle(5)
        peer = mesh.next.waiting()
        if peer is not None:
            await peer.head()
            await peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await world.settle(5)

    assert mesh.outcomes() == {"sent": 2}


async def test_a_streamed_body_is_copied_when_it_is_complete(world):
    mesh, client = Mirrored(world), await world.client()
    await client.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    original = await mesh.web.accept()
    await original.until(b"abc\r\n")
    assert mesh.next.nobody_came()

    await client.send(b"2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")
    copy = await mesh.next.accept()

    assert (await copy.until(b"X-Sum: 5\r\n\r\n")).endswith(b"\r\n\r\n5\r\nabcde\r\n0\r\nX-Sum: 5\r\n\r\n")
    assert (await original.until(b"X-Sum: 5\r\n\r\n")).endswith(b"2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")


@pytest.mark.parametrize("head", [b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n"])
async def test_a_body_beyond_the_bound_is_not_copied_and_reaches_its_service(world, head):
    mesh = Mirrored(world, {"mirrors": {"targets": [{"service": "next"}], "maxBody": 8}})
    client = await world.client()

    await client.send(PUT + head)
    original = await mesh.web.accept()
    await original.head()
    await client.send(b"123456789")
    await original.until(b"123456789")
    await world.settle()

    assert mesh.outcomes() == {"body-too-large": 1} and mesh.under_way() == 0
    assert mesh.next.nobody_came()


async def test_a_body_that_the_client_breaks_off_is_not_copied(world):
    mesh, client = Mirrored(world), await world.client()
    await client.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await (await mesh.web.accept()).until(b"abc\r\n")

    client.close()
    await world.settle()
    world.advance(6)
    await world.settle()

    assert mesh.outcomes() == {"failed": 1} and mesh.under_way() == 0
    assert mesh.next.nobody_came()


async def test_a_request_that_is_sent_again_has_one_copy_whole(world):
    mesh, client = Mirrored(world, {**NEXT, "retries": {"retryOn": ["5xx"]}}), await world.client()
    await client.send(PUT + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    first = await mesh.web.accept()
    await first.until(b"0\r\n\r\n")
    await first.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    copy = await mesh.next.accept()
    assert (await copy.until(b"0\r\n\r\n")).endswith(b"3\r\nabc\r\n0\r\n\r\n")
    await copy.send(OK)

    second = await mesh.web.accept()
    assert (await second.until(b"0\r\n\r\n")).endswith(b"3\r\nabc\r\n0\r\n\r\n")
    await second.send(OK)

    assert (await client.until(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 ")
    await world.settle()
    assert mesh.outcomes() == {"sent": 1} and mesh.next.nobody_came()


async def test_a_body_that_is_begun_again_counts_once_and_is_whole(world):
    kept = BodyCopy(8, Event(world.reactor))
    body = Tee(WholeBody(b"abcde"), kept)
    await body.read()

    assert body.rewind()
    while await body.read():
        pass

    assert (await kept.whole()).take() == b"abcde"
    assert body.rewind() and (await kept.whole()).take() == b"abcde"  # what was complete stays


async def test_a_body_as_large_as_the_bound_is_whole_and_one_byte_more_is_lost(world):
    kept = [BodyCopy(5, Event(world.reactor)) for _ in range(2)]

    for copy, data in zip(kept, (b"abcde", b"abcdef"), strict=True):
        body = Tee(WholeBody(data), copy)
        while await body.read():
            pass

    assert [copy.lost for copy in kept] == ["", "body-too-large"]


async def test_originals_come_before_the_next_piece_of_a_copys_response(world):
    mesh, client = Mirrored(world), await world.client()
    assert (await mesh.answered(client)).startswith(b"HTTP/1.1 200 ")
    copy = await mesh.next.accept()
    await copy.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    await world.settle()

    await copy.send(b"0\r\n\r\n")
    await world.settle()
    assert mesh.outcomes() == {}
    world.advance(PAUSE_S)
    await world.settle()

    assert mesh.outcomes() == {"sent": 1}


async def test_copies_for_which_the_worker_has_no_room_are_counted(world):
    mesh, client = Mirrored(world, {"mirrors": [{"service": "next"}, {"service": "next"}]}), await world.client()
    for _ in range(TASKS_MOST - 1):
        world.plane.background.start(Event(world.reactor).wait)

    await mesh.answered(client)
    await world.settle()

    assert mesh.outcomes() == {"full": 1} and mesh.under_way() == 1


@pytest.mark.parametrize("line", [b"X-Mesh-Mirror: 1\r\n", b"Connection: upgrade\r\nUpgrade: chat\r\n"])
async def test_a_copy_and_a_request_to_switch_protocols_are_not_copied(world, line):
    mesh, client = Mirrored(world), await world.client()

    await mesh.answered(client, GET[:-2] + line + b"\r\n")
    await world.settle()

    assert mesh.outcomes() == {} and mesh.next.nobody_came()


@pytest.mark.parametrize("protocol", ["http2", "detect"])
async def test_a_grpc_call_is_copied_and_its_client_gets_the_status_of_the_original(world, protocol):
    mesh = GrpcMesh(world)
    web, following = mesh.endpoints
    world.install(
        Replace((service("web", web, policies=NEXT, protocol="http2"), service("next", following, protocol=protocol)))
    )

    number = await mesh.ask()
    calls = [await mesh.arrived(), await mesh.arrived()]
    arrived = {server.endpoint: (server, stream) for server, stream in calls}
    await refuse(*arrived[following], 13)
    await world.settle()
    await answer(*arrived[web], b"yes", status=5)

    assert await mesh.status_of(number) == 5
    await world.settle()
    assert world.live.table.at("shop/web", "80").stats.decisions == {("mirrors", "sent", "enforce"): 1}
    assert world.live.table.at("shop/web", "80").stats.calls == {5: 1}


async def test_what_a_policy_refuses_is_not_copied(world):
    mesh, client = Mirrored(world, {**NEXT, "rateLimit": {"requestsPerSecond": 0.001}}), await world.client()
    await mesh.answered(client)
    await client.send(GET)

    assert (await client.head()).startswith(b"HTTP/1.1 429 ")
    assert mesh.under_way() == 1


async def test_in_shadow_mode_copies_are_counted_and_not_sent(world):
    mesh = Mirrored(world, {"mirrors": {"targets": [{"service": "next"}], "mode": "shadow"}})
    client = await world.client()

    await mesh.answered(client)
    await world.settle()

    assert mesh.route.stats.decisions == {("mirrors", "sent", "shadow"): 1}
    assert mesh.next.nobody_came()


async def test_copies_under_way_are_counted_on_when_the_settings_change(world):
    mesh, client = Mirrored(world), await world.client()
    await mesh.answered(client)

    mesh.install(mirrors={"targets": [{"service": "next"}], "maxInFlight": 1})
    await mesh.answered(client)

    assert mesh.outcomes() == {"full": 1} and mesh.under_way() == 1


async def test_labels_choose_endpoints_of_the_service_itself(world):
    old, new = world.endpoint(), world.endpoint()
    ends = (Endpoint("127.0.0.1", old.port), Endpoint("127.0.0.1", new.port, subsets=("version=v2",)))
    policies = {"mirrors": [{"labels": {"version": "v2"}}]}
    world.install(Replace((Service("shop", "web", "", (Port(80, "http", "http", ends),), policies),)))
    client, copied_to = await world.client(), []

    for _ in range(4):
        await client.send(GET)
        for _ in range(2):
            server, peer = await first_of(world, old, new)
            if FORWARDED.search(await peer.head()):
                copied_to.append(server)
            await peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await client.head()

    assert copied_to == [new] * 4


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ([], r"^mirrors: the list should have at least 1 item, not 0, got \[\]$"),
        ([{"percentage": 5}], r"^mirrors\[0\]: this is the service itself, .*, got {'percentage': 5}$"),
        ([{"service": "a", "percentage": 101}], r"^mirrors\[0\]\.percentage: expected at most 100, got 101$"),
        ({"targets": [{"service": "a"}], "maxBody": "1Gi"}, r"^mirrors\.maxBody: expected at most 1Mi, got '1Gi'$"),
        ({"targets": [{"service": "a"}], "timeout": 0}, r"^mirrors\.timeout: expected more than 0, got 0$"),
    ],
)
def test_what_cannot_be_a_mirror_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"mirrors": written})


def test_a_service_without_mirrors_has_no_handler_for_them(world):
    world.install(Replace((service("web"),)))

    assert "Mirroring" not in repr(world.route.handler)


async def test_a_rule_of_routes_has_mirrors_of_its_own(world):
    mesh = Mirrored(world, {"routes": [{"match": [{"path": {"prefix": "/a"}}], "policies": NEXT}]})
    client = await world.client()

    await mesh.answered(client, GET.replace(b"/a?b", b"/other"))
    await world.settle()
    assert mesh.next.nobody_came()
    await mesh.answered(client)

    copy = await mesh.next.accept()
    assert (await copy.head()).startswith(b"GET /a?b HTTP/1.1\r\n")
