"""How streams to HTTP/2 endpoints end."""

from h2.errors import ErrorCodes
from h2.events import StreamReset

from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.frames import ping, rst_stream
from tests.fakes.http2 import http2_accept, http2_client, request


async def test_a_stream_whose_response_was_read_is_not_reset(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(request(b"POST"), body=b"question")
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    await served.respond(stream, b"answer", trailers=[(b"x-checksum", b"1")])
    await client.response(number)
    await world.settle()
    await served.peer.send(ping(b"01234567"))
    sent = await served.peer.until(ping(b"01234567", ack=True))

    assert rst_stream(stream, codes.NO_ERROR) not in sent
    assert rst_stream(stream, codes.CANCEL) not in sent


async def test_a_response_that_the_client_does_not_want_any_more_is_cancelled(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(request(b"POST"), body=b"question")
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    served.h2.send_headers(stream, [(b":status", b"200")])
    await served.flush()
    await world.settle()
    client.h2.reset_stream(number, ErrorCodes.CANCEL)
    await client.flush()
    reset = await served.event(StreamReset, stream)

    assert reset.error_code == ErrorCodes.CANCEL
