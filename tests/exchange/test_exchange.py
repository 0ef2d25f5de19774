"""What a response ends when it is over."""

from nodeproxy.exchange.attempt import Attempt
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
