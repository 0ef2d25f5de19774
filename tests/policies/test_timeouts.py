"""The limits of an exchange: on all of it, on its silence, on what comes after a streamed request."""

from math import inf

import pytest

from nodeproxy.policies import timeouts
from nodeproxy.policies.timeouts import TimeoutsSettings
from tests.fakes.exchanges import STARTED, Pieces, PolicyWorld, Replies, exchange, lane_of, run


def sent(written, body=None):
    """An exchange that has passed timeouts, and the deadline its endpoint saw."""
    one, endpoint = exchange(body=body), Replies(200)
    run(timeouts.wrap(TimeoutsSettings.model_validate(written), endpoint, PolicyWorld().tools)(one))
    return one, endpoint.deadlines[0]


def test_a_request_has_a_limit_from_its_beginning():
    one, deadline = sent({"request": "2s", "idle": "10s"})

    assert one.scope.until == deadline == STARTED + 2


def test_silence_has_a_limit_when_it_is_the_shorter_one():
    one, deadline = sent({"request": "20s", "idle": "10s"})

    assert (deadline, one.scope.until, one.scope.idle_s) == (STARTED + 10, STARTED + 20, 10)


def test_every_byte_moves_the_limit_on_silence_and_none_the_limit_of_the_request():
    one, _ = sent({"request": "20s", "idle": "10s"})

    one.scope.moved(STARTED + 7)
    assert lane_of(one).deadline == STARTED + 17
    one.scope.moved(STARTED + 15)

    assert lane_of(one).deadline == STARTED + 20


def test_the_time_a_body_takes_to_arrive_is_not_the_requests():
    one, deadline = sent({"request": "2s", "idle": "10s"}, Pieces(b"slow"))

    assert one.scope.allowance_s == 2
    assert one.scope.until == inf
    assert deadline == STARTED + 10


@pytest.mark.parametrize(
    ("written", "until", "deadline"),
    [
        ({"responseHead": 0, "idle": "10s"}, inf, STARTED + 10),
        ({"request": "2s", "idle": 0}, STARTED + 2, STARTED + 2),
        ({"responseHead": "3s", "idle": 0}, inf, STARTED + 3),
    ],
)
def test_zero_switches_one_limit_off(written, until, deadline):
    one, seen = sent(written)

    assert (one.scope.until, seen) == (until, deadline)


def test_a_streamed_body_without_a_limit_on_requests_has_no_allowance():
    one, _ = sent({"request": 0}, Pieces(b"slow"))

    assert one.scope.allowance_s == inf


def test_without_either_limit_the_policy_is_not_there():
    endpoint = Replies(200)

    handler = timeouts.wrap(
        TimeoutsSettings.model_validate({"responseHead": 0, "idle": "0s"}), endpoint, PolicyWorld().tools
    )

    assert handler is endpoint


def test_the_usual_limits_are_those_of_other_meshes():
    settings = TimeoutsSettings()

    assert (settings.response_head_s, settings.request_s, settings.idle_s, settings.connect_s) == (15, 0, 300, 5)


def test_what_comes_behind_the_head_is_bounded_by_silence_alone():
    one, deadline = sent({})

    assert deadline == STARTED + 15
    assert (one.scope.until, lane_of(one).deadline) == (inf, STARTED + 300)
    one.scope.moved(STARTED + 1000)
    assert lane_of(one).deadline == STARTED + 1300


def test_a_limit_on_all_of_a_response_holds_behind_its_head_too():
    one, deadline = sent({"responseHead": "2s", "request": "20s"})

    assert deadline == STARTED + 2
    assert one.scope.until == lane_of(one).deadline == STARTED + 20


def test_an_upload_that_ends_behind_an_early_head_does_not_bound_the_response():
    one, _ = sent({"responseHead": "2s"}, Pieces(b"slow"))

    assert one.scope.allowance_s == inf


def test_a_limit_on_silence_that_has_been_put_off_is_not_moved_back():
    one, endpoint = exchange(), Replies(200, taking_s=12, world=(world := PolicyWorld()))

    async def moves_and_answers(exchange):
        exchange.scope.moved(STARTED + 12)
        return await endpoint(exchange)

    run(timeouts.wrap(TimeoutsSettings.model_validate({"idle": "10s"}), moves_and_answers, world.tools)(one))

    assert lane_of(one).deadline == STARTED + 15  # the head's own limit, which has not passed
