"""Policies and the statuses of gRPC calls, on real sockets."""

import pytest
from h2.errors import ErrorCodes
from h2.events import DataReceived, StreamReset

from nodeproxy.policies.retries import GRPC_STATUSES
from tests.fakes.grpc import GrpcMesh, answer, message, refuse
from tests.fakes.http2 import request

UNAVAILABLE, INTERNAL, RESOURCE_EXHAUSTED, NOT_FOUND, UNKNOWN = 14, 13, 8, 5, 2


def retried_on(*conditions, **more):
    return {"retries": {"retryOn": list(conditions), "backoff": {"base": "0s", "max": "0s"}, **more}}


@pytest.mark.parametrize(("condition", "status"), GRPC_STATUSES.items())
async def test_a_call_that_was_refused_is_sent_to_another_endpoint(world, condition, status):
    mesh = GrpcMesh(world, retried_on(condition))

    number = await mesh.ask(body=message(b"question"))
    first, stream = await mesh.arrived()
    await refuse(first, stream, status)
    second, stream = await mesh.arrived()
    await answer(second, stream, b"yes")
    code, _, body, trailers = await mesh.client.response(number)

    assert first is not second
    assert (code, body, trailers) == (200, message(b"yes"), [(b"grpc-status", b"0")])
    assert mesh.counted("retries") == {f"retried-{condition}": 1}
    assert world.route.stats.calls == {0: 1}


async def test_a_streamed_call_is_sent_again_with_the_messages_it_had(world):
    mesh = GrpcMesh(world, retried_on("unavailable"))

    number = await mesh.ask(body=message(b"one"), ended=False)
    first, stream = await mesh.arrived()
    await refuse(first, stream, UNAVAILABLE)
    second, stream = await mesh.arrived()
    mesh.client.h2.send_data(number, message(b"two"), end_stream=True)
    await mesh.client.flush()
    received = b""
    while received != message(b"one") + message(b"two"):
        received += (await second.event(DataReceived, stream)).data
    await answer(second, stream, b"both")

    assert await mesh.status_of(number) == 0


async def test_a_status_that_is_not_asked_for_is_the_answer(world):
    mesh = GrpcMesh(world, retried_on("unavailable"))

    await mesh.calls(RESOURCE_EXHAUSTED, NOT_FOUND, INTERNAL)

    assert await mesh.none_arrives()
    assert mesh.counted("retries") == {}


async def test_by_default_a_refused_call_is_not_sent_again(world):
    mesh = GrpcMesh(world)

    await mesh.calls(UNAVAILABLE)

    assert await mesh.none_arrives()


async def test_a_call_that_had_a_message_is_not_sent_again(world):
    mesh = GrpcMesh(world, retried_on("unavailable"))

    await mesh.calls(-UNAVAILABLE)

    assert await mesh.none_arrives()


async def test_a_post_that_is_no_call_is_not_sent_again_for_its_fields(world):
    mesh = GrpcMesh(world, retried_on("unavailable"))

    number = await mesh.ask(request(b"POST"))
    server, stream = await mesh.arrived()
    await refuse(server, stream, UNAVAILABLE)
    await mesh.client.response(number)

    assert await mesh.none_arrives()


async def test_the_last_refusal_is_the_answer(world):
    mesh = GrpcMesh(world, retried_on("unavailable", attempts=1))

    number = await mesh.ask()
    for _ in range(2):
        await refuse(*await mesh.arrived(), UNAVAILABLE)

    assert await mesh.status_of(number) == UNAVAILABLE
    assert mesh.counted("retries") == {"retried-unavailable": 1, "exhausted": 1}


async def test_in_shadow_mode_a_refused_call_is_counted(world):
    mesh = GrpcMesh(world, retried_on("unavailable", mode="shadow"))

    await mesh.calls(UNAVAILABLE, NOT_FOUND)

    assert mesh.counted("retries") == {"retried-unavailable": 1}


async def test_a_refused_stream_is_a_condition_of_its_own(world):
    mesh = GrpcMesh(world, retried_on("refused-stream"), endpoints=5)

    number = await mesh.ask()
    for _ in range(3):  # by itself, without a policy
        server, stream = await mesh.arrived()
        server.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
        await server.flush()
    await answer(*await mesh.arrived(), b"yes")

    assert await mesh.status_of(number) == 0


async def test_a_call_is_hedged_where_post_is_named(world):
    mesh = GrpcMesh(world, {"hedging": {"delay": "100ms", "methods": ["POST"]}})

    number = await mesh.ask()
    slow, lost = await mesh.arrived()
    world.advance(0.11)
    quick, stream = await mesh.arrived()
    await answer(quick, stream, b"yes")
    status = await mesh.status_of(number)
    reset = await slow.event(StreamReset, lost)
    again = await mesh.ask()
    other, stream = await mesh.arrived()
    await answer(other, stream, b"again")

    assert (status, reset.error_code) == (0, ErrorCodes.CANCEL)
    assert mesh.counted("hedging") == {"hedged": 1, "won": 1}
    assert await mesh.status_of(again) == 0  # on connections that go on


async def test_a_post_that_is_no_call_is_not_hedged(world):
    mesh = GrpcMesh(world, {"hedging": {"delay": "100ms", "methods": ["POST"]}})

    await mesh.ask(request(b"POST"))
    await mesh.arrived()
    world.advance(0.2)

    assert await mesh.none_arrives()


async def test_a_refusal_does_not_win_against_a_call_under_way(world):
    mesh = GrpcMesh(world, {"hedging": {"delay": "100ms", "methods": ["POST"]}})

    number = await mesh.ask()
    slow, first = await mesh.arrived()
    world.advance(0.11)
    await refuse(*await mesh.arrived(), UNAVAILABLE)
    await world.settle()
    await answer(slow, first, b"late")

    assert await mesh.status_of(number) == 0


@pytest.mark.parametrize("status", [UNAVAILABLE, -UNAVAILABLE, -INTERNAL, UNKNOWN])
async def test_an_endpoint_whose_calls_fail_is_ejected(world, status):
    mesh = GrpcMesh(world, {"outlierDetection": {"consecutive5xxErrors": 3}})
    bad = None

    for _ in range(3):
        number = await mesh.ask()
        server, stream = await mesh.arrived()
        bad = bad or server
        await (refuse(server, stream, status) if status > 0 else answer(server, stream, b"x", status=-status))
        await mesh.status_of(number)
        number = await mesh.ask()
        server, stream = await mesh.arrived()
        assert server is not bad
        await answer(server, stream, b"x")
        await mesh.status_of(number)
    await world.settle()

    assert mesh.counted("outlierDetection") == {"consecutive-5xx": 1}
    endpoints = world.clusters.get(world.route.name).endpoints
    ejected = [each.name for each in endpoints if each.health.outlier_until > world.clock()]
    assert ejected == [f"127.0.0.1:{bad.endpoint.port}"]


@pytest.mark.parametrize("status", [NOT_FOUND, -NOT_FOUND, 3, 16, RESOURCE_EXHAUSTED])
async def test_an_endpoint_that_answers_with_the_clients_errors_is_not_ejected(world, status):
    mesh = GrpcMesh(world, {"outlierDetection": {"consecutive5xxErrors": 1}})

    await mesh.calls(*[status] * 6)

    assert mesh.counted("outlierDetection") == {}


@pytest.mark.parametrize("status", [UNAVAILABLE, -INTERNAL])
async def test_a_circuit_opens_by_the_status_of_calls(world, status):
    mesh = GrpcMesh(world, {"circuitBreaker": {"minimumRequests": 4}})

    await mesh.calls(NOT_FOUND, -NOT_FOUND, status, status)
    number = await mesh.ask()

    assert await mesh.status_of(number) == UNAVAILABLE
    assert mesh.counted("circuitBreaker") == {"opened": 1, "rejected": 1}


@pytest.mark.parametrize("status", [RESOURCE_EXHAUSTED, -RESOURCE_EXHAUSTED])
async def test_an_endpoint_that_is_exhausted_gets_less(world, status):
    mesh = GrpcMesh(world, {"loadBalancer": {"simple": "ROUND_ROBIN", "shedding": {}}})

    await mesh.calls(status, 0 if status > 0 else -NOT_FOUND)

    assert mesh.counted("loadBalancer") == {"shed": 1}


async def test_calls_that_are_refused_are_not_taken_for_quick_ones(world):
    mesh = GrpcMesh(world, {"adaptiveConcurrency": {}})
    gradient = world.route.states["adaptiveConcurrency"]

    await mesh.calls(*[UNAVAILABLE] * 12)
    unmeasured = gradient._samples
    await mesh.calls(0, 0)

    assert (unmeasured, gradient._samples) == (0, 2)
    assert gradient.in_flight == 0


async def test_a_refused_call_falls_back(world):
    mesh = GrpcMesh(world, {"fallback": {"on": ["gateway-error"], "response": {"headers": {"grpc-status": "0"}}}})

    number = await mesh.ask()
    await refuse(*await mesh.arrived(), UNAVAILABLE)
    _, fields, _, _ = await mesh.client.response(number)

    assert {(b"grpc-status", b"0"), (b"x-mesh-fallback", b"gateway-error")} <= set(fields)
