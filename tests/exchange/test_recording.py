"""Recordings for taps: who gets them, beside traces and the context's own observer."""

from types import SimpleNamespace

from msgspec import convert

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.recording import ATTEMPTS_MOST, EVENTS_MOST, Recording
from nodeproxy.exchange.sampling import sample_of
from nodeproxy.mesh.samples import ExchangeSample
from tests.fakes.exchanges import STARTED, exchange
from tests.fakes.hedged import answer
from tests.fakes.traces import get, traced


async def answered(world, endpoint):
    client = await world.client()
    await client.send(get())
    server = await endpoint.accept()
    await server.head()
    await server.send(answer(b"x"))
    await client.until(b"x")
    await world.settle()


async def test_a_trace_and_the_log_have_the_same_exchange(world):
    endpoint, samples = world.endpoint(), traced(world)
    world.serve(endpoint)

    await answered(world, endpoint)

    assert len(samples) == 1 and [line[2] for line in world.log] == [200]
    assert [outcome for _, outcome in world.attempts] == [200]


def test_what_is_beyond_the_limits_is_only_counted():
    one, seen = exchange(), []
    recording = Recording(one, lambda: 1.0, (lambda each: seen.append((len(each.events), each.left_out)),), None)

    for _ in range(EVENTS_MOST + 3):
        recording.decided("retries", "exhausted", "enforce")
    recording.exchange_ended("shop/web:80", 200, "", 0.1)

    assert seen == [(EVENTS_MOST, 3)] and ATTEMPTS_MOST >= 11  # the most that retries can make


def test_after_the_end_the_exchange_is_recorded_no_more():
    one, seen = exchange(), []
    recording = Recording(one, lambda: 1.0, (lambda each: seen.append((each.status, each.elapsed_s)),), None)
    assert one.recording is recording

    recording.exchange_ended("shop/web:80", 204, "", 0.1)

    assert (one.recording, recording.attempts, seen) == (None, [], [(204, 0.1)])


def sampled(one, after_s, seen):
    """A recording at this time of the exchange; its sample, which is made at the Unix time 5000, is added to `seen`."""
    sink = (lambda each: seen.append(sample_of(each, lambda: 5000.0)),)
    return Recording(one, lambda: STARTED + after_s, sink, None)


def test_a_sample_begins_before_its_end_and_its_events_after_its_beginning():
    one, seen = exchange(), []
    recording = Recording(
        one, lambda: STARTED + 0.75, (lambda each: seen.append(sample_of(each, lambda: 5000.0)),), None
    )

    recording.decided("retries", "exhausted", "enforce")
    recording.exchange_ended("shop/web:80", 200, "", 2.0)

    sample = ExchangeSample(*seen[0])
    assert (sample.time, sample.elapsed_s) == (4998.0, 2.0)
    assert list(sample.events) == [(0.75, "retries", "exhausted", "enforce")]


def test_attempts_beyond_the_limit_are_counted_and_those_still_under_way_end_with_the_exchange():
    one, seen = exchange(), []
    recording = sampled(one, 0.5, seen)
    attempts = [Attempt(one, SimpleNamespace(active=0, name="10.0.0.1:80", judges=()), STARTED) for _ in range(2)]
    for _ in range(ATTEMPTS_MOST):
        recording.attempt_began(attempts[1])
    attempts[0].end(200)

    recording.exchange_ended("shop/web:80", 200, "", 2.0)

    sample = convert(seen[0], ExchangeSample)
    ended = [(each.ended_s, each.outcome) for each in sample.attempts]
    assert ended == [(0.5, 200)] + [(2.0, "cancelled")] * (ATTEMPTS_MOST - 1)
    assert sample.left_out == 2
