"""What a response ends when it is over."""

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.call import Call
from nodeproxy.exchange.exchange import Fork
from nodeproxy.mesh.callers import Known
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from tests.fakes.exchanges import STARTED, Held, exchange


class Endpoint:
    name = "10.0.0.1:80"
    active = 0
    judges = ()


class Observer:
    def __init__(self):
        self.seen = []

    def attempt_ended(self, attempt):
        self.seen.append((attempt.endpoint.name, attempt.outcome))


def test_a_closed_response_gives_up_its_body_and_ends_its_attempt_once():
    one, endpoint = exchange(), Endpoint()
    one.observer = Observer()
    response = Response(200, Fields(), 4)
    response.body, response.attempt = Held(), Attempt(one, endpoint, STARTED)
    assert (endpoint.active, one.tries, one.endpoint_name) == (1, 1, "10.0.0.1:80")

    response.close()
    response.close()

    assert endpoint.active == 0 and response.body.abandoned
    assert one.observer.seen == [("10.0.0.1:80", 200)]


def test_an_attempt_ends_once_and_needs_no_observer():
    endpoint = Endpoint()
    attempt = Attempt(exchange(), endpoint, STARTED)

    attempt.end("connect-failed")
    attempt.end(200)

    assert (endpoint.active, attempt.outcome) == (0, "connect-failed")


def test_the_meshs_own_response_ends_nothing():
    response = Response(503, Fields(), 0)

    response.close()

    assert response.attempt is None


def test_a_fork_has_what_was_asked_and_none_of_what_became_of_it():
    one = exchange()
    one.caller, one.added, one.call = Known("shop", ("shop", "cart")), b"x: y\r\n", Call(STARTED + 5)
    one.rule, one.observer, one.answered, one.deliveries = "by-path", Observer(), True, 2
    tried = [Endpoint()]

    fork = Fork(one, one.body, one.scope, tried)

    for name in ("request", "client", "caller", "added", "call", "rule", "observer", "recording", "started"):
        assert getattr(fork, name) == getattr(one, name), name
    assert fork.tried is tried and fork.only_untried and not one.only_untried
    assert (fork.answered, fork.deliveries, fork.tries, fork.endpoint) == (False, 0, 0, None)


def test_what_has_been_answered_or_delivered_often_enough_is_not_delivered_again():
    one = exchange()
    one.deliveries = 1
    assert one.may_be_delivered_again()

    one.deliveries = 2
    assert not one.may_be_delivered_again()

    one.deliveries, one.answered = 0, True
    assert not one.may_be_delivered_again()
