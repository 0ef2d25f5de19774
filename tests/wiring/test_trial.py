"""A trial shows a custom policy what a node would."""

import pytest

from nodeproxy.policies.table import PolicyRefused
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.wiring.trial import Trial
from tests.fakes import own_policies as own
from tests.fakes.exchanges import STARTED


def test_a_request_passes_the_policy_to_the_endpoint_and_back():
    trial = Trial(own.STAMP, {"value": "1"}, answer=lambda request: own_response(201, request.path, b"text/plain"))

    response = trial.request("PUT", "/x", {"x-a": "b"}, b"body")

    (request,) = trial.received
    assert (response.status, response.first, response.fields.get(b"x-stamp")) == (201, b"/x", b"1")
    assert (request.method, request.fields.get(b"x-a"), request.length) == (b"PUT", b"b", 4)


def test_an_exception_in_the_policy_is_that_of_the_test():
    with pytest.raises(ZeroDivisionError):
        Trial(own.around(own.bug_after)).request()


def test_a_refusal_is_the_response_that_a_client_gets():
    trial = Trial(own.around(own.refuses))

    assert trial.request().fields.get(b"x-mesh-error") == b"not-today"
    assert trial.received == []


def test_a_wait_moves_the_clock():
    trial = Trial(own.around(own.waits))

    assert trial.request().status == 200
    assert trial.now == STARTED + 3.0


def test_a_wait_that_nothing_ends_fails_the_test():
    async def for_ever(_inner, _exchange, tools):
        await tools.event().wait()

    with pytest.raises(AssertionError, match="stamp waits for something that never happens"):
        Trial(own.around(for_ever)).request()


def test_other_settings_are_in_force_at_once_and_invalid_ones_never():
    trial = Trial(own.STAMP)

    trial.configure({"value": "2"})
    with pytest.raises(PolicyRefused):
        trial.configure({"value": 3})

    assert trial.request().fields.get(b"x-stamp") == b"2"


def test_decisions_are_counted():
    trial = Trial(own.policy(on_request=own.refuse), {"mode": "shadow"})

    trial.request()

    assert trial.decisions == {"rejected": 1}
