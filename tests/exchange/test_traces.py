"""Traces of real exchanges: what is sampled, what the endpoint gets, and what is reported of each attempt."""

import gc

import pytest

from nodeproxy.errors import ConnectFailed
from nodeproxy.exchange.recording import Recording
from tests.fakes.grpc import GrpcMesh, call, refuse
from tests.fakes.hedged import answer
from tests.fakes.mirrored import Mirrored
from tests.fakes.traces import NOT_SAMPLED, SAMPLED, SPAN, TRACE, context_in, get, traced

RETRIES = {"retries": {"attempts": 1, "retryOn": ["5xx"]}}


async def asked(world, endpoint, request, response=b"HTTP/1.1 204 No Content\r\n\r\n"):
    """The head that `endpoint` gets of `request`, which is answered."""
    client = await world.client()
    await client.send(request)
    server = await endpoint.accept()
    head = await server.head()
    await server.send(response)
    await client.until(b"\r\n\r\n")
    await world.settle()
    return head


async def test_a_request_without_a_context_begins_a_trace(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)

    head = await asked(world, endpoint, get())

    (sample,) = samples
    (attempt,) = sample.attempts
    assert context_in(head) == (sample.trace.trace_id.encode(), attempt.span_id.encode(), b"01")
    assert sample.trace.parent_id == "" and sample.trace.span_id != attempt.span_id


async def test_a_sampled_caller_is_the_parent_and_the_attempt_that_of_the_endpoint(world):
    endpoint, samples = world.endpoint(), traced(world, ratio=0.0)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(SAMPLED, b"tracestate: vendor=1\r\n"))

    (sample,) = samples
    assert (sample.trace.trace_id, sample.trace.parent_id) == (TRACE.decode(), SPAN.decode())
    assert sample.trace.state == "vendor=1" and b"tracestate: vendor=1\r\n" in head
    assert context_in(head) == (TRACE, sample.attempts[0].span_id.encode(), b"01")


@pytest.mark.parametrize("lines", [(NOT_SAMPLED,), (b"b3: 0\r\n",), (b"X-B3-Sampled: 0\r\n",)])
async def test_what_the_caller_has_not_sampled_goes_on_as_it_came(world, lines):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(*lines))

    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")]
    assert samples == [] and lines[0] in head
    assert len([name for name in names if b"b3" in name or b"trace" in name]) == 1


async def test_a_request_that_the_ratio_leaves_out_goes_on_without_a_context(world):
    endpoint, samples = world.endpoint(), traced(world, ratio=0.0)
    world.serve(endpoint)

    head = await asked(world, endpoint, get())

    assert samples == [] and context_in(head) is None


@pytest.mark.parametrize(
    "written", [SAMPLED.replace(b"traceparent: ", b"TraceParent:  "), SAMPLED.replace(b"00-", b"cc-", 1)]
)
async def test_a_parent_that_is_written_unusually_counts_as_well(world, written):
    endpoint, samples = world.endpoint(), traced(world, ratio=0.0)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(written, b"tracestate: vendor=1\r\n"))

    assert samples[0].trace.parent_id == SPAN.decode()
    assert samples[0].trace.state == "vendor=1" and b"tracestate: vendor=1\r\n" in head
    assert context_in(head) == (TRACE, samples[0].attempts[0].span_id.encode(), b"01")


@pytest.mark.parametrize("start", [b"traceparent: 00-", b"TraceParent:  00-"])
async def test_the_flag_of_a_random_trace_id_goes_on(world, start):
    endpoint, samples = world.endpoint(), traced(world, ratio=0.0)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(b"%b%b-%b-03\r\n" % (start, TRACE, SPAN)))

    assert context_in(head) == (TRACE, samples[0].attempts[0].span_id.encode(), b"03")


async def test_with_two_parents_a_trace_begins_anew(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(SAMPLED, SAMPLED.title()))

    assert samples[0].trace.parent_id == "" and context_in(head)[0] == samples[0].trace.trace_id.encode() != TRACE


async def test_both_forms_of_a_sampled_context_go_on(world):
    endpoint, samples = world.endpoint(), traced(world, ratio=0.0)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(SAMPLED, b"b3: %b-%b-1\r\n" % (TRACE, SPAN)))

    span = samples[0].attempts[0].span_id.encode()
    assert context_in(head) == (TRACE, span, b"01") and b"\r\nb3: %b-%b-1\r\n" % (TRACE, span) in head


async def test_b3_that_is_not_sampled_goes_on_as_w3c_too(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(b"b3: %b-%b-0\r\n" % (TRACE, SPAN)))

    assert samples == [] and context_in(head) == (TRACE, SPAN, b"00")
    assert b"\r\nb3: %b-%b-0\r\n" % (TRACE, SPAN) in head and head.lower().count(b"\r\nb3:") == 1


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        (b"b3: %b-%b-1\r\n", b"\r\nb3: %b-%b-1\r\n"),
        (b"X-B3-TraceId: %b\r\nX-B3-SpanId: %b\r\nX-B3-Sampled: 1\r\n", b"\r\nX-B3-TraceId: %b\r\nX-B3-SpanId: %b\r\n"),
    ],
)
async def test_what_came_in_b3_goes_on_in_w3c_and_in_b3(world, lines, sent):
    endpoint, samples = world.endpoint(), traced(world, ratio=0.0)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(lines % (TRACE, SPAN)))

    (sample,) = samples
    span = sample.attempts[0].span_id.encode()
    assert sample.trace.parent_id == SPAN.decode() and context_in(head) == (TRACE, span, b"01")
    assert sent % (TRACE, span) in head and SPAN not in head


@pytest.mark.parametrize("parent", [b"traceparent: 00-1-2-01\r\n", b""])
async def test_a_state_without_a_valid_parent_is_not_sent_on(world, parent):
    endpoint = world.endpoint()
    traced(world)
    world.serve(endpoint)

    head = await asked(world, endpoint, get(parent, b"TraceState: vendor=1\r\n"))

    assert context_in(head) is not None and b"vendor" not in head


async def test_each_retry_has_an_id_of_its_own_and_the_reason_is_an_event(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint, policies=RETRIES)
    client = await world.client()
    await client.send(get(SAMPLED))
    server = await endpoint.accept()

    heads = []
    for status in (b"503 Unavailable", b"200 OK"):
        heads.append(await server.head())
        await server.send(answer(b"", status))
        await world.settle()
    await client.until(b"200 OK")
    await world.settle()

    (sample,) = samples
    ids = [attempt.span_id.encode() for attempt in sample.attempts]
    assert [context_in(head) for head in heads] == [(TRACE, each, b"01") for each in ids] and ids[0] != ids[1]
    assert [attempt.status for attempt in sample.attempts] == [503, 200] and sample.status == 200
    assert [(event.policy, event.outcome) for event in sample.events] == [("retries", "retried-5xx")]


async def test_a_hedge_has_an_id_of_its_own_beside_the_first_attempt(world):
    endpoints, samples = [world.endpoint(), world.endpoint()], traced(world)
    world.serve(*endpoints, policies={"hedging": {"delay": "100ms"}, "retries": {"attempts": 0}})
    client = await world.client()
    await client.send(get(SAMPLED))
    await world.settle()
    world.advance(0.11)
    await world.settle()

    servers = [await endpoint.accept() for endpoint in endpoints]
    heads = [await server.head() for server in servers]
    for server in servers:
        await server.send(answer(b"x"))
    await client.until(b"x")
    await world.settle()

    (sample,) = samples
    ids = {attempt.span_id.encode() for attempt in sample.attempts}
    assert {context_in(head)[1] for head in heads} == ids and len(ids) == 2
    assert [attempt.hedge for attempt in sample.attempts] == [False, True]
    assert ("hedging", "hedged") in [(event.policy, event.outcome) for event in sample.events]


async def test_why_a_request_is_not_sent_again_is_in_its_sample(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint, policies=RETRIES)
    client = await world.client()
    await client.send(get())
    server = await endpoint.accept()

    for _ in range(2):
        await server.head()
        await server.send(answer(b"", b"503 Unavailable"))
        await world.settle()
    await client.until(b"\r\n\r\n")
    await world.settle()

    (sample,) = samples
    assert sample.not_retried == "exhausted" and ("retries", "exhausted") in [each[:2] for each in events(sample)]


async def test_an_ejection_is_an_event_of_the_request_that_caused_it(world):
    endpoints, samples = [world.endpoint(), world.endpoint()], traced(world)
    policy = {"consecutive5xxErrors": 1, "maxEjectionPercent": 100}
    world.serve(*endpoints, policies={"outlierDetection": policy, "retries": {"attempts": 0}})
    client = await world.client()
    await client.send(get())
    await world.settle()
    server = next(found for each in endpoints if (found := each.waiting()) is not None)

    await server.send(answer(b"", b"500 Broken"))
    await client.until(b"\r\n\r\n")
    await world.settle()

    assert ("outlierDetection", "consecutive-5xx", "enforce") in events(samples[0])


async def test_a_request_for_an_unknown_name_has_a_sample_without_attempts(world):
    samples = traced(world)
    world.serve(world.endpoint())
    client = await world.client()

    await client.send(b"GET / HTTP/1.1\r\nHost: nowhere.shop.mesh\r\n\r\n")
    await client.until(b"\r\n\r\n")
    await world.settle()

    (sample,) = samples
    assert (sample.attempts, sample.service_port, sample.reason) == ((), "", "unknown-service")


async def test_a_rate_limit_is_an_event_of_the_request_that_it_refuses(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint, policies={"rateLimit": {"requestsPerSecond": 1, "burst": 1}})
    await asked(world, endpoint, get())
    client = await world.client()

    await client.send(get())
    await client.until(b"\r\n\r\n")
    await world.settle()

    refused = samples[1]
    assert (refused.status, refused.reason, refused.attempts) == (429, "rate-limited", ())
    assert ("rateLimit", "rejected", "enforce") in events(refused)


async def test_a_fallback_is_an_event(world):
    endpoint, samples = world.endpoint(), traced(world)
    fallback = {"fallback": {"on": ["5xx"], "response": {"status": 200, "body": "instead"}}}
    world.serve(endpoint, policies={**fallback, "retries": {"attempts": 0}})

    await asked(world, endpoint, get(), answer(b"", b"500 Broken"))

    assert ("fallback", "5xx", "enforce") in events(samples[0]) and samples[0].attempts[0].status == 500


async def test_a_call_over_http2_is_traced_as_any_request(world):
    samples, mesh = traced(world, ratio=0.0), GrpcMesh(world, {"retries": {"attempts": 1, "retryOn": ["unavailable"]}})
    number = await mesh.ask(call((b"traceparent", b"00-%b-%b-01" % (TRACE, SPAN))))

    parents = []
    for status in (14, 5):
        server, stream = await mesh.arrived()
        parents += [value for name, value in server.requests[stream] if name == b"traceparent"]
        await refuse(server, stream, status)
    assert await mesh.status_of(number) == 5
    await world.settle()

    (sample,) = samples
    ids = [each.span_id.encode() for each in sample.attempts]
    assert parents == [b"00-%b-%b-01" % (TRACE, each) for each in ids] and len(set(ids)) == 2
    assert (sample.version, sample.grpc_status, sample.trace.parent_id) == ("2", 5, SPAN.decode())


async def test_an_attempt_that_found_no_server_has_its_reason(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint, policies={"retries": {"attempts": 0}})
    endpoint.stop()
    client = await world.client()

    await client.send(get())
    await client.until(b"\r\n\r\n")
    await world.settle()

    (sample,) = samples
    assert sample.attempts[0].outcome == sample.reason == ConnectFailed.reason and sample.attempts[0].status == 0


async def test_times_of_a_sample_count_from_the_head_of_the_request(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)
    client = await world.client()
    await client.send(get())
    server = await endpoint.accept()
    await server.head()

    for piece in (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", b"x"):
        world.advance(1.0)
        await server.send(piece)
        await world.settle()
    await client.until(b"x")

    (sample,) = samples
    (attempt,) = sample.attempts
    assert (sample.elapsed_s, attempt.began_s, attempt.first_byte_s, attempt.ended_s) == (2.0, 0.0, 1.0, 2.0)
    assert (sample.method, sample.path, sample.service_port) == ("GET", "/basket?key=1", "shop/web:80")


async def test_a_recording_leaves_nothing_to_collect(world, collector_off):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)

    await asked(world, endpoint, get())

    assert len(samples) == 1 and not [each for each in gc.get_objects() if isinstance(each, Recording)]


async def test_a_copy_to_a_mirror_has_the_span_of_the_request_as_its_parent(world):
    mesh, samples, client = Mirrored(world), traced(world), await world.client()
    await client.send(get(SAMPLED))
    original, copy = await mesh.web.accept(), await mesh.next.accept()

    heads = [await original.head(), await copy.head()]
    await original.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    await client.until(b"\r\n\r\n")
    await world.settle()

    (sample,) = samples
    (attempt,) = sample.attempts
    assert [context_in(head)[:2] for head in heads] == [
        (TRACE, attempt.span_id.encode()),
        (TRACE, sample.trace.span_id.encode()),
    ]


def events(sample):
    return [(event.policy, event.outcome, event.mode) for event in sample.events]
