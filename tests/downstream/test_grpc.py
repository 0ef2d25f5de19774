"""gRPC calls of HTTP/2 clients: how they end, and their deadlines."""

from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamReset, TrailersReceived

from tests.fakes.grpc import CONTENT, OK, answer, call, message, refuse
from tests.fakes.http2 import http2_accept, http2_accept_any, http2_client

UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED = b"14", b"4", b"8", b"12"


async def test_a_call_the_mesh_cannot_forward_ends_with_a_head_alone(world):
    world.serve(protocol="http2")
    client = await http2_client(world)

    number = await client.request(call(), body=message())
    status, fields, body, trailers = await client.response(number)

    assert (status, body, trailers) == (200, b"", None)
    fields = dict(fields)
    assert (fields[b"content-type"], fields[b"grpc-status"]) == (b"application/grpc", UNAVAILABLE)
    assert fields[b"x-mesh-error"] == b"no-endpoints"
    assert fields[b"grpc-message"].startswith(b"nodeproxy: no-endpoints: shop/web:80: no endpoint is ready")
    assert b"content-length" not in fields
    assert world.log[0][2:4] == (503, "no-endpoints")  # for metrics and logs it stays what it is
    assert world.route.stats.calls == {14: 1}


async def test_an_unknown_service_is_unimplemented(world):
    world.serve(world.endpoint(), protocol="http2")
    client = await http2_client(world)

    number = await client.request([(n, b"none.shop.mesh" if n == b":authority" else v) for n, v in call()], b"")
    _, fields, _, _ = await client.response(number)

    assert dict(fields)[b"grpc-status"] == UNIMPLEMENTED


async def test_what_a_policy_answers_is_a_status_too(world):
    world.serve(
        world.endpoint(), protocol="http2", policies={"rateLimit": {"total": {"requestsPerSecond": 0.001, "burst": 1}}}
    )
    client = await http2_client(world)

    await client.request(call(), body=message())
    number = await client.request(call(), body=message())
    _, fields, body, _ = await client.response(number)

    assert (dict(fields)[b"grpc-status"], body) == (RESOURCE_EXHAUSTED, b"")
    assert b"retry-after" in dict(fields)
    assert dict(fields)[b"x-mesh-error"] == b"rate-limited"


async def test_an_operator_can_write_the_status_of_a_fallback(world):
    fixed = {"headers": {"grpc-status": "9", "grpc-message": "closed today"}}
    world.serve(protocol="http2", policies={"fallback": {"response": fixed}})
    client = await http2_client(world)

    number = await client.request(call(), body=message())
    status, fields, _, _ = await client.response(number)

    assert status == 200
    assert [value for name, value in fields if name.startswith(b"grpc-")] == [b"9", b"closed today"]
    assert dict(fields)[b"content-type"] == b"application/grpc"
    assert dict(fields)[b"x-mesh-fallback"] == b"no-endpoints"


async def test_a_request_that_is_no_call_gets_the_error_as_before(world):
    world.serve(protocol="http2")
    client = await http2_client(world)

    number = await client.request(call(content=(b"content-type", b"application/grpc-web+proto")), body=message())
    status, fields, body, _ = await client.response(number)

    assert status == 503
    assert body.startswith(b"nodeproxy: no-endpoints")
    assert b"grpc-status" not in dict(fields)
    assert world.route.stats.calls is None


async def test_grpc_web_goes_through_untouched(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    web = (b"content-type", b"application/grpc-web+proto")
    body = message(b"yes") + b"\x80\0\0\0\x0fgrpc-status:0\r\n"

    number = await client.request(call((b"grpc-timeout", b"1S"), (b"x-grpc-web", b"1"), content=web), message())
    served = await http2_accept(endpoint)
    stream, asked = await served.received_request()
    await served.respond(stream, body, [web])
    status, fields, got, trailers = await client.response(number)

    assert {(b"grpc-timeout", b"1S"), (b"x-grpc-web", b"1"), web} <= set(asked)
    assert (status, got, trailers) == (200, body, None)
    assert web in fields


async def test_an_endpoint_that_dies_within_its_response_ends_the_call_with_a_status(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(call(), body=message())
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    served.h2.send_headers(stream, [(b":status", b"200"), CONTENT])
    served.h2.send_data(stream, message(b"first"))
    await served.flush()
    got = await client.event(DataReceived, number)
    served.peer.close()
    trailers = dict((await client.event(TrailersReceived, number)).headers)

    assert got.data == message(b"first")
    assert trailers[b"grpc-status"] == UNAVAILABLE
    assert trailers[b"x-mesh-error"] == b"connection-lost"
    await world.settle()
    assert world.route.stats.calls == {14: 1}
    assert world.attempts[-1][1] == "connection-lost"


async def test_a_reset_of_the_endpoint_is_the_status_that_grpc_gives_it(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)
    number = await client.request(call(), body=message())
    served = await http2_accept(endpoint)
    found = {}

    for code in (ErrorCodes.CANCEL, ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.INTERNAL_ERROR):
        stream, _ = await served.received_request()
        served.h2.reset_stream(stream, code)
        await served.flush()
        found[code] = dict((await client.response(number))[1])[b"grpc-status"]
        number = await client.request(call(), body=message())

    assert list(found.values()) == [b"1", b"8", b"13"]


async def test_the_status_of_an_endpoint_is_counted(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    one = await client.request(call(), body=message())
    served = await http2_accept(endpoint)
    await answer(served, (await served.received_request())[0], b"a", b"b")
    *_, body, trailers = await client.response(one)
    two = await client.request(call(), body=message())
    await refuse(served, (await served.received_request())[0], 5, (b"grpc-message", b"no%20such thing"))
    status, fields, _, none = await client.response(two)
    three = await client.request(call(), body=message())
    await answer(served, (await served.received_request())[0], b"a", status=13)
    await client.response(three)
    await world.settle()

    assert (body, trailers) == (message(b"a") + message(b"b"), OK)
    assert (status, none) == (200, None)
    assert {(b"grpc-status", b"5"), (b"grpc-message", b"no%20such thing")} <= set(fields)
    assert world.route.stats.calls == {0: 1, 5: 1, 13: 1}
    assert [exchange.call.status for exchange, *_ in world.log] == [0, 5, 13]
    assert [outcome for _, outcome in world.attempts] == [200, 404, 500]


async def test_a_call_that_its_client_cancels_is_cancelled_at_the_endpoint(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(call(), body=message())
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    client.h2.reset_stream(number, ErrorCodes.CANCEL)
    await client.flush()
    reset = await served.event(StreamReset, stream)
    await world.settle()

    assert reset.error_code == ErrorCodes.CANCEL
    assert world.route.stats.calls == {1: 1}


async def test_the_deadline_of_the_client_is_passed_on_shortened(world):
    slow, fine = world.endpoint(), world.endpoint()
    world.serve(slow, fine, protocol="http2", policies={"loadBalancer": {"simple": "ROUND_ROBIN"}})
    client = await http2_client(world)

    await client.request(call((b"grpc-timeout", b"10S")), body=message())
    served = await http2_accept_any(slow, fine)
    stream, asked = await served.received_request()
    world.advance(4)
    served.h2.close_connection(last_stream_id=0)
    await served.flush()
    other = await http2_accept_any(slow, fine)
    _, again = await other.received_request()

    assert dict(asked)[b"grpc-timeout"] == b"10000000u"
    assert dict(again)[b"grpc-timeout"] == b"6000000u"
    assert stream == 1


async def test_without_a_deadline_none_is_passed_on(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    await client.request(call(), body=message())
    served = await http2_accept(endpoint)
    _, asked = await served.received_request()

    assert b"grpc-timeout" not in dict(asked)


async def test_when_the_deadline_passes_client_and_endpoint_learn_of_it(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"500m")), body=message())
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    world.advance(0.6)
    status, fields, _, trailers = await client.response(number)
    reset = await served.event(StreamReset, stream)

    assert (status, trailers) == (200, None)
    assert dict(fields)[b"grpc-status"] == DEADLINE_EXCEEDED
    assert b"grpc-timeout of the client is 0.5 s" in dict(fields)[b"grpc-message"]
    assert reset.error_code == ErrorCodes.CANCEL
    assert world.log[0][2:4] == (504, "timeout")
    assert world.route.stats.decisions["timeouts", "grpc-timeout", "enforce"] == 1


async def test_a_limit_of_the_service_that_passes_before_the_deadline_is_named(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"timeouts": {"idle": "5s"}})
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"30S")), body=message())
    await (await http2_accept(endpoint)).received_request()
    world.advance(5.1)
    _, fields, _, _ = await client.response(number)

    assert b"timeouts.idle of the service is 5 s" in dict(fields)[b"grpc-message"]
    assert world.route.stats.decisions["timeouts", "idle", "enforce"] == 1


async def test_the_deadline_is_that_of_the_whole_call(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"30S")), body=message(), ended=False)
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    served.h2.send_headers(stream, [(b":status", b"200"), CONTENT])
    served.h2.send_data(stream, message(b"first"))
    await served.flush()
    await client.event(DataReceived, number)
    world.advance(31)
    trailers = await client.event(TrailersReceived, number)
    reset = await served.event(StreamReset, stream)

    assert dict(trailers.headers)[b"grpc-status"] == DEADLINE_EXCEEDED
    assert reset.error_code == ErrorCodes.CANCEL


async def test_a_stream_that_is_silent_for_too_long_is_to_be_opened_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"timeouts": {"idle": "60s"}})
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"1H")), body=message())
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    served.h2.send_headers(stream, [(b":status", b"200"), CONTENT])
    served.h2.send_data(stream, message(b"first"))
    await served.flush()
    await client.event(DataReceived, number)
    world.advance(61)
    trailers = dict((await client.event(TrailersReceived, number)).headers)

    assert trailers[b"grpc-status"] == UNAVAILABLE
    assert b": no byte has moved; timeouts.idle of the service is 60 s (see: " in trailers[b"grpc-message"]


async def test_a_limit_on_the_whole_request_is_a_deadline(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"timeouts": {"request": "60s"}})
    client = await http2_client(world)

    number = await client.request(call(), body=message())
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    served.h2.send_headers(stream, [(b":status", b"200"), CONTENT])
    await served.flush()
    await client.event(ResponseReceived, number)
    world.advance(61)
    trailers = dict((await client.event(TrailersReceived, number)).headers)

    assert trailers[b"grpc-status"] == DEADLINE_EXCEEDED


async def test_a_server_behind_a_port_that_says_http_is_named(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http")
    client = await http2_client(world)

    number = await client.request(call(), body=message())
    served = await endpoint.accept()
    await served.head()
    await served.send(b"\0\0\x12\4\0\0\0\0\0\0\4\0\x3f\xff\xff\0\5\0\x3f\xff\xff\0\6\0\0\x20\0")
    _, fields, _, _ = await client.response(number)

    assert dict(fields)[b"grpc-status"] == UNAVAILABLE
    assert b"the endpoint speaks HTTP/2, and its port says HTTP/1.1" in dict(fields)[b"grpc-message"]


async def test_a_deadline_never_lengthens_a_limit_of_the_service(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2", policies={"timeouts": {"responseHead": "2s"}})
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"1H")), body=message())
    served = await http2_accept(endpoint)
    await served.received_request()
    world.advance(2.1)
    _, fields, _, _ = await client.response(number)

    assert dict(fields)[b"grpc-status"] == DEADLINE_EXCEEDED
    assert b"timeouts.responseHead of the service is 2 s" in dict(fields)[b"grpc-message"]


async def test_a_deadline_holds_without_timeouts(world):
    endpoint = world.endpoint()
    off = {"responseHead": "0s", "idle": "0s"}
    world.serve(endpoint, protocol="http2", policies={"timeouts": off})
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"1S")), body=message())
    served = await http2_accept(endpoint)
    await served.received_request()
    world.advance(1.1)
    _, fields, _, _ = await client.response(number)

    assert dict(fields)[b"grpc-status"] == DEADLINE_EXCEEDED


async def test_a_deadline_that_has_passed_already_costs_the_endpoint_nothing(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(call((b"grpc-timeout", b"0n")), body=message())
    _, fields, _, _ = await client.response(number)

    assert dict(fields)[b"grpc-status"] == DEADLINE_EXCEEDED


async def test_trailers_before_the_end_of_the_request_end_the_stream_without_an_error(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    client = await http2_client(world)

    number = await client.request(call(), body=message(), ended=False)
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    await answer(served, stream, b"enough")
    _, _, body, trailers = await client.response(number, resets=[ErrorCodes.NO_ERROR])

    assert (body, trailers) == (message(b"enough"), OK)
    assert await served.was_reset(stream) in (ErrorCodes.NO_ERROR, ErrorCodes.CANCEL)
