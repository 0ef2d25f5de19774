"""gRPC calls while endpoints come and go, and what keeps their connections alive."""

from h2.errors import ErrorCodes
from h2.events import DataReceived, PingAckReceived, StreamReset, TrailersReceived

from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.frames import goaway, ping
from nodeproxy.upstream.http2 import LEFT_CALLS_S
from tests.fakes.grpc import CONTENT, GrpcMesh, answer, message, refuse
from tests.fakes.http2 import request

UNAVAILABLE, NOT_FOUND = 14, 5
IN_TURN = {"loadBalancer": {"simple": "ROUND_ROBIN"}}


async def opened(mesh, fields=None):
    """A stream whose response has begun: its client's number, its server and its stream there."""
    number = await mesh.ask(fields)
    server, stream = await mesh.arrived()
    server.h2.send_headers(stream, [(b":status", b"200"), CONTENT])
    server.h2.send_data(stream, message(b"first"))
    await server.flush()
    await mesh.client.event(DataReceived, number)
    return number, server, stream


def leaves(mesh, server):
    """The endpoint of `server` leaves the service."""
    rest = [each for each in mesh.endpoints if each is not server.endpoint]
    mesh.world.serve(*rest, protocol="http2", policies=IN_TURN)


async def test_an_endpoint_that_has_left_gets_no_new_call_and_keeps_those_it_has(world):
    mesh = GrpcMesh(world)

    number, old, stream = await opened(mesh)
    leaves(mesh, old)
    for _ in range(4):
        await mesh.ask()
        server, other = await mesh.arrived()
        assert server is not old
        await answer(server, other, b"new")
    world.advance(LEFT_CALLS_S - 1)
    await world.settle()
    await answer_rest(old, stream)

    assert await mesh.status_of(number) == 0


async def answer_rest(server, stream):
    server.h2.send_headers(stream, [(b"grpc-status", b"0")], end_stream=True)
    await server.flush()


async def test_a_call_that_outlives_its_endpoint_ends_so_that_the_client_calls_again(world):
    mesh = GrpcMesh(world)

    number, old, stream = await opened(mesh)
    leaves(mesh, old)
    world.advance(LEFT_CALLS_S + 1)
    trailers = dict((await mesh.client.event(TrailersReceived, number)).headers)
    reset = await old.event(StreamReset, stream)
    await old.goaway()

    assert trailers[b"grpc-status"] == b"14"
    assert trailers[b"x-mesh-error"] == b"endpoint-left"
    assert reset.error_code == ErrorCodes.CANCEL


async def test_a_call_without_an_answer_ends_as_well(world):
    mesh = GrpcMesh(world, {"timeouts": {"responseHead": "0s"}, "retries": {"attempts": 0}})

    number = await mesh.ask()
    old, _ = await mesh.arrived()
    leaves(mesh, old)
    world.advance(LEFT_CALLS_S + 1)

    assert await mesh.status_of(number) == UNAVAILABLE


async def test_other_streams_go_on_at_an_endpoint_that_has_left(world):
    mesh = GrpcMesh(world)

    number, old, stream = await opened(mesh, request(b"POST"))
    leaves(mesh, old)
    world.advance(LEFT_CALLS_S + 1)
    await world.settle()
    old.h2.send_data(stream, b"last", end_stream=True)
    await old.flush()
    last = await mesh.client.event(DataReceived, number)

    assert last.data == b"last"


async def test_a_rollout_loses_no_call(world):
    mesh = GrpcMesh(world)

    numbers = [await mesh.ask() for _ in range(20)]
    at = {}
    for _ in numbers:
        server, stream = await mesh.arrived()
        at.setdefault(server, []).append(stream)
    old, new = at
    processed = at[old][:4]
    await old.peer.send(goaway(processed[-1], codes.NO_ERROR, b"max_age"))
    for stream in processed:
        await answer(old, stream, b"x")
    for stream in at[new]:
        await answer(new, stream, b"x")
    for _ in at[old][4:]:
        await answer(*await mesh.arrived(), b"x")
    statuses = [await mesh.status_of(number) for number in numbers]

    assert len(at[old]) == 10
    assert old.over
    assert statuses == [0] * 20


async def test_a_server_that_goes_away_gracefully_finishes_its_streams(world):
    mesh = GrpcMesh(world)

    number, old, stream = await opened(mesh)
    await old.peer.send(goaway(2**31 - 1, codes.NO_ERROR))
    await world.settle()
    mesh.endpoints.remove(old.endpoint)
    old.endpoint.stop()
    others = [await mesh.ask() for _ in range(4)]
    for _ in others:
        server, other = await mesh.arrived()
        assert server is not old
        await answer(server, other, b"x")
    await old.peer.send(goaway(stream, codes.NO_ERROR))
    await answer_rest(old, stream)

    assert [await mesh.status_of(each) for each in (number, *others)] == [0] * 5


async def test_pings_of_clients_are_answered_however_many_there_are(world):
    mesh = GrpcMesh(world)
    number, server, stream = await opened(mesh)

    for index in range(300):
        mesh.client.h2.ping(index.to_bytes(8, "big"))
        await mesh.client.flush()
        await mesh.client.event(PingAckReceived)
        world.advance(0.01)
    await answer_rest(server, stream)

    assert await mesh.status_of(number) == 0


async def test_a_connection_that_is_kept_alive_for_weeks_is_no_flood(world):
    mesh = GrpcMesh(world, {"timeouts": {"idle": "0s"}})
    number, server, stream = await opened(mesh)

    for _ in range(90):
        await mesh.client.peer.send(ping(b"keepaliv") * 1000)
        world.advance(10_000)
        await mesh.client.event(PingAckReceived)
        mesh.client.events.clear()
    await mesh.client.settled()
    await answer_rest(server, stream)

    assert await mesh.client.event(TrailersReceived, number)


async def test_endpoints_get_no_pings(world):
    mesh = GrpcMesh(world, {"timeouts": {"idle": "0s", "responseHead": "0s"}})
    number, server, stream = await opened(mesh)

    for _ in range(10):
        world.advance(600)
        await world.settle()
    await server.look()
    await answer_rest(server, stream)
    await mesh.status_of(number)

    assert codes.PING not in [kind for kind, _, _ in server.frames]


async def test_a_refused_call_leaves_the_connection_as_it_is(world):
    mesh = GrpcMesh(world, endpoints=1)

    await mesh.calls(NOT_FOUND, 0, NOT_FOUND)
    number = await mesh.ask()
    server, stream = await mesh.arrived()
    await refuse(server, stream, 0)
    await mesh.status_of(number)

    assert server.resets == []
    assert len(mesh.servers) == 1
