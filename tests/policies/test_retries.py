"""Which failed tries are sent again, and how often."""

import pytest

from nodeproxy.errors import (
    BadResponse,
    BodyTimeout,
    ClientGone,
    ConnectFailed,
    ConnectionLost,
    DeadlinePassed,
    NoEndpoints,
    ProxyError,
)
from nodeproxy.exchange.body import WholeBody
from nodeproxy.policies import retries
from nodeproxy.policies.retries import RetriesSettings
from tests.fakes.exchanges import PolicyWorld, Replies, exchange, run

QUICK = {"base": "1ms", "max": "1ms"}


def settings(**written):
    """As YAML would give them, the waits short."""
    return RetriesSettings.model_validate({"backoff": QUICK, **written})


def send(endpoint, one=None, world=None, **written):
    """The response, or the error, that comes out of retries around `endpoint`."""
    world = world or PolicyWorld()
    handler = retries.wrap(settings(**written), endpoint, world.tools)
    try:
        return run(handler(one or exchange()))
    except ProxyError as error:
        return error


@pytest.mark.parametrize(
    ("condition", "failure"),
    [
        ("connect-failure", ConnectFailed()),
        ("reset", ConnectionLost()),
        ("timeout", DeadlinePassed()),
        ("gateway-error", 502),
        ("gateway-error", 503),
        ("gateway-error", 504),
        ("5xx", 500),
        ("5xx", 503),
        ("5xx", 599),
        ("retriable-status-codes", 429),
    ],
)
def test_each_condition_sends_its_failures_again_and_no_others(condition, failure):
    others = {"connect-failure", "reset", "timeout", "gateway-error", "5xx", "retriable-status-codes"} - {condition}
    if failure == 503:
        others -= {"5xx", "gateway-error"}
    elif failure in (502, 504):
        others -= {"5xx"}
    asked, not_asked = Replies(failure, 200), Replies(failure, 200)

    answer = send(asked, retryOn=(condition,), codes=(429,))
    send(not_asked, retryOn=tuple(others), codes=(429,))

    assert answer.status == 200 and asked.calls == 2
    assert not_asked.calls == 1


@pytest.mark.parametrize("status", [200, 204, 301, 404, 429, 499, 500, 501, 505])
def test_a_status_nobody_asked_for_is_the_answer(status):
    endpoint = Replies(status)

    assert send(endpoint, retryOn=("gateway-error", "reset", "connect-failure")).status == status
    assert endpoint.calls == 1


@pytest.mark.parametrize("error", [BadResponse(), NoEndpoints(), ClientGone(), BodyTimeout()])
def test_what_another_try_cannot_mend_is_not_sent_again(error):
    endpoint = Replies(error, 200)

    assert send(endpoint, retryOn=("connect-failure", "reset", "timeout", "5xx")) is error
    assert endpoint.calls == 1


def test_status_codes_count_only_when_they_are_asked_for():
    endpoint = Replies(429, 200)

    send(endpoint, retryOn=("reset",), codes=(429,))

    assert endpoint.calls == 1


@pytest.mark.parametrize("attempts", [1, 2, 10])
def test_there_are_as_many_tries_as_allowed_beyond_the_first(attempts):
    endpoint, world = Replies(ConnectionLost()), PolicyWorld()

    error = send(endpoint, world=world, attempts=attempts)

    assert isinstance(error, ConnectionLost)
    assert endpoint.calls == 1 + attempts
    assert world.stats.retries == len(world.slept) == attempts


def test_without_attempts_the_policy_is_not_there():
    endpoint = Replies(200)

    assert retries.wrap(settings(attempts=0), endpoint, PolicyWorld().tools) is endpoint


def test_the_last_response_is_the_answer_and_the_ones_before_are_closed():
    endpoint = Replies(503, 502, 504)

    answer = send(endpoint, retryOn=("5xx",), attempts=2)

    *closed, last = endpoint.responses
    assert answer is last and last.status == 504
    assert all(response.attempt is None and response.body.abandoned for response in closed)
    assert last.attempt.outcome is None and not last.body.abandoned


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"BREW", b"get"])
@pytest.mark.parametrize("failure", [ConnectionLost(), DeadlinePassed(), 503])
def test_a_request_that_must_not_happen_twice_is_not_sent_again(method, failure):
    endpoint = Replies(failure, 200)

    send(endpoint, exchange(method), retryOn=("reset", "timeout", "5xx", "connect-failure"))

    assert endpoint.calls == 1


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"])
def test_an_idempotent_request_is_sent_again(method):
    endpoint = Replies(ConnectionLost(), 200)

    assert send(endpoint, exchange(method)).status == 200


def test_a_request_that_cannot_have_been_received_is_sent_again_whatever_its_method():
    endpoint = Replies(ConnectFailed(), 200)

    assert send(endpoint, exchange(b"POST")).status == 200


def test_the_operator_may_name_other_methods():
    posts, gets = Replies(ConnectionLost(), 200), Replies(ConnectionLost(), 200)

    assert send(posts, exchange(b"POST"), methods=("POST",)).status == 200
    send(gets, exchange(b"GET"), methods=("POST",))

    assert gets.calls == 1


def test_a_body_that_is_here_is_sent_whole_with_each_try():
    endpoint = Replies(ConnectionLost(), 503, 200)

    send(endpoint, exchange(b"PUT", WholeBody(b"all of it")), retryOn=("reset", "5xx"))

    assert endpoint.bodies == [b"all of it"] * 3
