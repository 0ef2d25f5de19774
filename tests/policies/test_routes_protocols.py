"""Rules act alike on HTTP/2, gRPC and WebSocket."""

import re

from nodeproxy.mesh.wire import Replace
from nodeproxy.protocol.websocket import accept_of
from tests.fakes.grpc import GrpcMesh, answer
from tests.fakes.http2 import http2_client, request
from tests.fakes.routed import get, service

UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YWJjZGVmZ2hpamtsbW5vcA==\r\n"
)
EDITS = {"response": {"set": {"x-rule": "yes"}}}


async def test_a_request_over_http2_follows_its_rule(world):
    old, new = world.endpoint(), world.endpoint()
    rules = [{"match": {"path": {"prefix": "/api"}}, "split": [{"service": "new"}], "headers": EDITS}]
    world.install(Replace((service("web", old, policies={"routes": rules}), service("new", new))))
    client = await http2_client(world)

    number = await client.request(request(b"GET", b"/api/x"))
    peer = await new.accept()
    assert (await peer.head()).startswith(b"GET /api/x HTTP/1.1\r\n")
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    status, fields, body, _ = await client.response(number)

    assert (status, body) == (200, b"ok")
    assert (b"x-rule", b"yes") in fields


async def test_a_grpc_call_follows_its_rule(world):
    rules = [{"match": {"path": {"exact": "/shop.Web/Get"}}, "headers": EDITS}]
    mesh = GrpcMesh(world, {"routes": rules})

    number = await mesh.ask()
    server, stream = await mesh.arrived()
    await answer(server, stream, b"yes")
    status, fields, _, trailers = await mesh.client.response(number)

    assert (status, trailers) == (200, [(b"grpc-status", b"0")])
    assert (b"x-rule", b"yes") in fields


async def test_an_error_of_a_call_is_a_grpc_status_with_the_changes_of_its_rule(world):
    mesh = GrpcMesh(world, {"routes": [{"headers": EDITS}]}, endpoints=0)

    number = await mesh.ask()
    status, fields, _, _ = await mesh.client.response(number)

    assert status == 200
    assert (b"grpc-status", b"14") in fields and (b"x-rule", b"yes") in fields
    assert (b"x-mesh-error", b"no-endpoints") in fields


async def test_a_websocket_follows_its_rule(world):
    old, new = world.endpoint(), world.endpoint()
    rules = [{"match": {"path": {"prefix": "/chat"}}, "split": [{"service": "new"}], "headers": EDITS}]
    world.install(Replace((service("web", old, policies={"routes": rules}), service("new", new))))
    client = await world.client()

    await client.send(get(b"/chat", UPGRADE))
    peer = await new.accept()
    (key,) = re.findall(rb"\r\nsec-websocket-key: ([^\r]+)\r\n", await peer.head(), re.IGNORECASE)
    accept = b"Sec-WebSocket-Accept: %b\r\n" % accept_of(key)
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%b\r\n" % accept)
    head = await client.head()
    await client.send(b"hello")

    assert head.startswith(b"HTTP/1.1 101 ")
    assert await peer.exactly(5) == b"hello"
    client.close()
