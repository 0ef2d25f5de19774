"""The time that tries may take, one and all together."""

from itertools import pairwise
from math import inf

import pytest

from nodeproxy.errors import ConnectionLost, DeadlinePassed, EndpointError
from nodeproxy.policies import retries
from nodeproxy.policies.retries import RetriesSettings
from tests.fakes.exchanges import STARTED, Pieces, PolicyWorld, Replies, exchange, lane_of, run


def send(endpoint, one, world=None, **written):
    """The response, or the error, that comes out of retries around `endpoint`."""
    settings = RetriesSettings.model_validate({"backoff": {"base": "1ms", "max": "1ms"}, **written})
    tools = (world or PolicyWorld()).tools
    try:
        return run(retries.wrap(settings, retries.wrap_attempt(settings, endpoint, tools), tools)(one))
    except EndpointError as error:
        return error


def test_each_try_has_its_own_limit_within_the_requests():
    world = PolicyWorld()
    endpoint, one = Replies(DeadlinePassed(), taking_s=2, world=world), exchange()
    one.scope.until = lane_of(one).deadline = STARTED + 5

    send(endpoint, one, world, retryOn=("timeout",), perTryTimeout="2s", attempts=10)

    assert endpoint.deadlines == pytest.approx([STARTED + 2, STARTED + 4, STARTED + 5], abs=0.01)
    assert all(later > earlier for earlier, later in pairwise(endpoint.deadlines))


def test_the_limit_of_a_try_ends_with_its_head():
    one = exchange()
    one.scope.until, one.scope.idle_s = STARTED + 50, 10

    send(Replies(200), one, perTryTimeout="2s")

    assert lane_of(one).deadline == STARTED + 10


def test_how_long_a_streamed_body_takes_is_no_limit_of_a_try():
    one = exchange(b"PUT", Pieces(b"slow"))
    endpoint = Replies(200)

    send(endpoint, one, perTryTimeout="2s")

    assert endpoint.deadlines == [inf]


def test_no_try_begins_when_the_time_is_over():
    world = PolicyWorld()
    endpoint, one = Replies(503, 200, taking_s=15, world=world), exchange()
    one.scope.until = STARTED + 15

    assert send(endpoint, one, world, retryOn=("5xx",)).status == 503
    assert endpoint.calls == 1


def test_silence_is_counted_anew_for_each_try():
    world = PolicyWorld()
    one = exchange()
    one.scope.idle_s = 10
    endpoint = Replies(ConnectionLost(), 200, taking_s=9, world=world)

    send(endpoint, one, world)

    assert endpoint.deadlines[1] == STARTED + 9 + 10
