"""gRPC calls that an ending server takes and drops: the C core of gRPC answers them by itself, then says GOAWAY."""

import pytest

from nodeproxy.protocol.http2.codes import NO_ERROR
from nodeproxy.protocol.http2.frames import goaway, rst_stream
from nodeproxy.upstream.dropped_calls import HELD_S
from tests.fakes.grpc import GrpcMesh, answer, refuse

CANCELLED, UNAVAILABLE = 1, 14
TEXT = (b"grpc-message", b"CANCELLED")
GOAWAY = goaway(2**31 - 1, NO_ERROR)


async def drop(server, stream):
    """As a server of gRPC's C core does: a response, and the end of the client's direction."""
    await refuse(server, stream, CANCELLED, TEXT)
    await server.peer.send(rst_stream(stream, NO_ERROR))


def leave(mesh, server):
    """The endpoint of `server` listens no more."""
    mesh.endpoints.remove(server.endpoint)
    server.endpoint.stop()


@pytest.mark.parametrize("goaway_first", [True, False])
async def test_a_dropped_call_is_sent_to_another_endpoint(world, goaway_first):
    mesh = GrpcMesh(world)

    number = await mesh.ask()
    old, stream = await mesh.arrived()
    leave(mesh, old)
    if goaway_first:
        await old.peer.send(GOAWAY)
        await drop(old, stream)
    else:
        await drop(old, stream)
        await world.settle()
        await old.peer.send(GOAWAY)
    new, stream = await mesh.arrived()
    await answer(new, stream, b"x")

    assert await mesh.status_of(number) == 0
    assert new.endpoint is not old.endpoint


async def test_a_call_that_is_dropped_before_the_connection_ends_is_sent_to_another_endpoint(world):
    mesh = GrpcMesh(world)

    number = await mesh.ask()
    old, stream = await mesh.arrived()
    leave(mesh, old)
    await drop(old, stream)
    mesh.servers.remove(old)
    old.peer.close()
    await answer(*await mesh.arrived(), b"x")

    assert await mesh.status_of(number) == 0


async def test_a_call_that_every_endpoint_drops_was_not_processed(world):
    mesh = GrpcMesh(world, {"retries": {"attempts": 0}}, endpoints=1)

    number = await mesh.ask()
    for _ in range(2):
        server, stream = await mesh.arrived()
        await server.peer.send(GOAWAY)
        await drop(server, stream)
    _, fields, _, _ = await mesh.client.response(number)

    assert dict(fields)[b"grpc-status"] == b"%d" % UNAVAILABLE
    assert dict(fields)[b"x-mesh-error"] == b"unprocessed"


async def test_a_call_that_an_application_aborts_is_answered(world):
    mesh = GrpcMesh(world)

    number = await mesh.ask()
    server, stream = await mesh.arrived()
    await drop(server, stream)
    await world.settle()
    world.advance(HELD_S)

    assert await mesh.status_of(number) == CANCELLED
    assert await mesh.none_arrives()


async def test_a_call_that_an_ending_application_cancels_is_answered(world):
    mesh = GrpcMesh(world)

    for fields in ([], [(b"grpc-message", b"the order was withdrawn")]):
        number = await mesh.ask()
        server, stream = await mesh.arrived()
        await server.peer.send(GOAWAY)
        await refuse(server, stream, CANCELLED, *fields)

        assert await mesh.status_of(number) == CANCELLED


async def test_a_call_that_is_cancelled_after_its_response_has_begun_is_answered(world):
    mesh = GrpcMesh(world)

    number = await mesh.ask()
    server, stream = await mesh.arrived()
    await server.peer.send(GOAWAY)
    await server.respond(stream, b"", trailers=[(b"grpc-status", b"1"), TEXT])

    assert await mesh.status_of(number) == CANCELLED
