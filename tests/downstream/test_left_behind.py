"""What an exchange leaves behind when it fails: nothing, and without the collector's help."""

import gc

import pytest

from nodeproxy.downstream.http1 import Http1Connection
from nodeproxy.downstream.tunnel import Relay
from nodeproxy.errors import ProxyError
from nodeproxy.exchange.body import ReceivedBody
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.task import Cancelled
from nodeproxy.policies.buffered_body import BufferedBody
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http1.framing import Chunked, Sized
from nodeproxy.protocol.http1.request_head import RequestHead
from nodeproxy.protocol.http1.response_head import ResponseHead
from nodeproxy.protocol.message import Request, Response
from nodeproxy.upstream.tunnel import SwitchedConnection
from nodeproxy.upstream.upload import Upload

HEAVY = (
    BufferedBody, Cancelled, Chunked, Http1Connection, Exchange, Fields, ProxyError, ReceivedBody, Relay, Request,
    RequestHead, Response, ResponseHead, Sized, SwitchedConnection, Upload,
)  # fmt: skip
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
UPLOAD = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 1000\r\n\r\nabc"
CHUNKS = b"PUT / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
UPGRADE = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbu"


async def asked(world, endpoint, request):
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    await server.head()
    return client, server


async def an_early_answer(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD)
    await server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    await client.rest()
    client.close()


async def an_early_answer_in_pieces(world, endpoint):
    client, server = await asked(world, endpoint, CHUNKS + b"3\r\nabc\r\n")
    await server.send(BUSY.replace(b"503", b"413"))
    await client.head()
    await server.send(b"sy")
    await client.rest()
    client.close()


async def an_early_answer_and_a_client_that_lingers(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD)
    await server.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    await client.rest()


async def a_client_gone_during_its_upload(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD)
    client.reset()
    await server.rest()


async def an_upload_that_ends_too_early(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD)
    client.close()
    await server.rest()


async def a_client_gone_before_the_response(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    client.reset()
    await server.rest()


async def a_client_gone_during_the_response(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(HALF)
    await client.head()
    client.reset()
    await server.rest()


async def a_client_that_does_not_read_and_goes(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    size = 30_000_000
    sending = server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    sender = world.reactor.spawn(sending)
    await world.settle(50)
    client.reset()
    server.reset()
    sender.cancel()
    await sender.join()


async def an_endpoint_that_resets_before_its_head(world, endpoint):
    client, server = await asked(world, endpoint, GET.replace(b"GET", b"POST"))
    server.reset()
    await client.head()
    client.close()


async def an_endpoint_that_resets_during_an_upload(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD.replace(b"PUT", b"POST"))
    server.reset()
    await client.head()
    client.close()


async def an_endpoint_that_resets_in_its_body(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(HALF)
    await client.head()
    server.reset()
    await client.rest()
    client.close()


async def a_kept_connection_that_closed(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(OK)
    await client.until(b"ok")
    await client.send(GET)
    await server.head()
    server.close()
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)
    await client.until(b"ok")
    client.close()


async def a_deadline_before_the_head(world, endpoint):
    client, _server = await asked(world, endpoint, GET)
    world.advance(2.1)
    await client.head()
    client.close()


async def a_silence_in_the_body(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(HALF)
    await client.head()
    world.advance(10.1)
    await client.rest()
    client.close()


async def a_silence_in_an_upload(world, endpoint):
    client, _server = await asked(world, endpoint, UPLOAD)
    world.advance(10.1)
    await client.head()
    client.close()


async def a_try_that_takes_too_long(world, endpoint):
    client, _server = await asked(world, endpoint, GET)
    world.advance(1.1)
    again = await endpoint.accept()
    await again.head()
    await again.send(OK)
    await client.until(b"ok")
    client.close()


async def a_retried_upload(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD)
    await server.send(BUSY)
    again = await endpoint.accept()
    await again.send(OK)
    await client.head()
    client.close()


async def a_refused_connect(world, endpoint):
    endpoint.stop()
    client = await world.client()
    await client.send(GET + UPLOAD)
    await client.head()
    client.close()


async def a_malformed_request(world, _endpoint):
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\nHost: a\n\n")
    await client.rest()
    client.close()


async def a_head_that_drips(world, _endpoint):
    client = await world.client()
    await client.send(b"GET /")
    await world.settle()
    world.advance(10.1)
    await client.rest()
    client.close()


async def a_malformed_response(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(b"nonsense\r\n\r\n")
    await client.head()
    client.close()


async def a_malformed_response_to_an_upload(world, endpoint):
    client, server = await asked(world, endpoint, UPLOAD)
    await server.send(b"nonsense\r\n\r\n")
    await client.head()
    client.close()


async def a_bad_chunk_of_the_client(world, endpoint):
    client, server = await asked(world, endpoint, CHUNKS)
    await client.send(b"zz\r\n")
    await server.rest()
    await client.rest()
    client.close()


async def a_bad_chunk_of_the_endpoint(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await client.head()
    await server.send(b"zz\r\n")
    await client.rest()
    client.close()


async def an_unknown_service(world, _endpoint):
    client = await world.client()
    await client.send(GET.replace(b"web", b"nope") + UPLOAD.replace(b"web", b"nope"))
    await client.rest()
    client.close()


async def a_drained_idle_connection(world, _endpoint):
    client = await world.client()
    await world.settle()
    for connection in list(world.connections.open):
        connection.hang_up()
    await client.rest()
    client.close()


async def a_cancelled_connection(world, endpoint):
    client, _server = await asked(world, endpoint, UPLOAD)
    for task in list(world.connections.open.values()):
        task.cancel()
    await client.rest()
    client.close()


async def a_tunnel_that_both_sides_end(world, endpoint):
    client, server = await asked(world, endpoint, UPGRADE)
    await server.send(SWITCH)
    await client.head()
    client.channel.half_close()
    await server.rest()
    server.close()
    await client.rest()
    client.close()


async def a_tunnel_whose_client_resets(world, endpoint):
    client, server = await asked(world, endpoint, UPGRADE)
    await server.send(SWITCH + bytes(100_000))
    await client.head()
    client.reset()
    await server.rest()


async def a_tunnel_whose_endpoint_resets(world, endpoint):
    client, server = await asked(world, endpoint, UPGRADE)
    await server.send(SWITCH)
    await client.head()
    server.reset()
    await client.rest()
    client.close()


async def a_tunnel_in_which_nothing_moves(world, endpoint):
    client, server = await asked(world, endpoint, UPGRADE)
    await server.send(SWITCH)
    await client.head()
    world.advance(301)
    await client.rest()
    await server.rest()
    client.close()


async def a_cancelled_tunnel(world, endpoint):
    client, server = await asked(world, endpoint, UPGRADE)
    await server.send(SWITCH)
    await client.head()
    for task in list(world.connections.open.values()):
        task.cancel()
    await client.rest()
    client.close()


async def a_refused_switch(world, endpoint):
    client, server = await asked(world, endpoint, GET)
    await server.send(SWITCH)
    await client.head()
    client.close()


async def a_bug_in_a_handler(world, _endpoint):
    async def broken(exchange):
        await exchange.body.read()
        raise ZeroDivisionError

    object.__setattr__(world.route, "handler", broken)
    client = await world.client()
    await client.send(UPLOAD)
    await client.rest()
    assert world.bugs.pop()


ENDINGS = (
    an_early_answer, an_early_answer_in_pieces, an_early_answer_and_a_client_that_lingers,
    a_client_gone_during_its_upload, an_upload_that_ends_too_early, a_client_gone_before_the_response,
    a_client_gone_during_the_response, a_client_that_does_not_read_and_goes, an_endpoint_that_resets_before_its_head,
    an_endpoint_that_resets_during_an_upload, an_endpoint_that_resets_in_its_body, a_kept_connection_that_closed,
    a_deadline_before_the_head, a_silence_in_the_body, a_silence_in_an_upload, a_try_that_takes_too_long,
    a_retried_upload, a_refused_connect, a_malformed_request, a_head_that_drips, a_malformed_response,
    a_malformed_response_to_an_upload, a_bad_chunk_of_the_client, a_bad_chunk_of_the_endpoint, an_unknown_service,
    a_tunnel_that_both_sides_end, a_tunnel_whose_client_resets, a_tunnel_whose_endpoint_resets,
    a_tunnel_in_which_nothing_moves, a_cancelled_tunnel, a_refused_switch,
    a_drained_idle_connection, a_cancelled_connection, a_bug_in_a_handler,
)  # fmt: skip
POLICIES = {
    an_early_answer: {"retries": {"attempts": 0}},
    a_deadline_before_the_head: {"timeouts": {"request": "2s"}, "retries": {"attempts": 0}},
    a_silence_in_the_body: {"timeouts": {"idle": "10s", "request": "60s"}},
    a_silence_in_an_upload: {"timeouts": {"idle": "10s"}},
    a_try_that_takes_too_long: {"retries": {"perTryTimeout": "1s", "retryOn": ["timeout"]}},
    a_retried_upload: {"retries": {"retryOn": ["5xx"]}},
}


def heavy():
    return [thing for thing in gc.get_objects() if isinstance(thing, HEAVY)]


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_nothing_of_an_exchange_is_left_when_it_has_ended(world, ending):
    world.reopen(observer=None)
    endpoint = world.endpoint()
    world.serve(endpoint, policies=POLICIES.get(ending))
    connections_still_there = 1 if ending is an_early_answer_and_a_client_that_lingers else 0
    before = {id(thing) for thing in heavy()}

    await ending(world, endpoint)
    await world.settle()

    left = [type(thing).__name__ for thing in heavy() if id(thing) not in before]
    assert left == ["Http1Connection"] * connections_still_there
