"""The parts of retries: waits that stay in bounds, bodies that are kept as long as they are small, settings."""

import pytest
from hypothesis import given
from hypothesis.strategies import binary, floats, integers, lists
from pydantic import ValidationError

from nodeproxy.errors import ConnectionLost
from nodeproxy.policies import retries
from nodeproxy.policies.buffered_body import KEPT_BYTES, BufferedBody
from nodeproxy.policies.retries import Backoff, RetriesSettings
from nodeproxy.policies.retry_plan import backoff_s
from tests.fakes.exchanges import Pieces, PolicyWorld, Replies, exchange, run

CHANCES = floats(0, 1, exclude_max=True)


def put(endpoint, *pieces):
    """Send a PUT with a streamed body through retries; what comes out."""
    handler = retries.wrap(RetriesSettings(), endpoint, PolicyWorld().tools)
    return run(handler(exchange(b"PUT", Pieces(*pieces))))


async def everything(body):
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    return pieces


@given(attempt=integers(1, 10), chance=CHANCES)
def test_no_wait_is_longer_than_its_bounds(attempt, chance):
    backoff = Backoff()

    wait_s = backoff_s(attempt, backoff.base_s, backoff.max_s, lambda: chance)

    assert 0 <= wait_s <= min(backoff.max_s, backoff.base_s * 2 ** (attempt - 1))


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 0.025), (2, 0.05), (3, 0.1), (4, 0.2), (5, 0.25), (10, 0.25)])
def test_waits_double_up_to_the_longest(attempt, longest_s):
    assert backoff_s(attempt, 0.025, 0.25, lambda: 1.0) == pytest.approx(longest_s)


@given(chance=CHANCES)
def test_waits_are_spread_over_all_of_their_bound(chance):
    assert backoff_s(4, 0.025, 0.25, lambda: chance) == pytest.approx(0.2 * chance)


def test_a_small_streamed_body_is_sent_again_from_its_first_byte():
    endpoint = Replies(ConnectionLost(), ConnectionLost(), 200)

    assert put(endpoint, b"one ", b"two ", b"three").status == 200
    assert endpoint.bodies == [b"one two three"] * 3


def test_a_body_of_exactly_what_is_kept_is_sent_again():
    endpoint = Replies(ConnectionLost(), 200)

    put(endpoint, bytes(KEPT_BYTES - 1), b"x")

    assert endpoint.calls == 2


@pytest.mark.parametrize("pieces", [(bytes(KEPT_BYTES), b"x"), (bytes(KEPT_BYTES + 1),)])
def test_a_body_too_large_to_keep_is_sent_once(pieces):
    endpoint = Replies(ConnectionLost(), 200)

    with pytest.raises(ConnectionLost):
        put(endpoint, *pieces)

    assert endpoint.bodies == [b"".join(pieces)]


def test_a_body_of_which_nothing_was_read_is_kept_whole():
    body = BufferedBody(Pieces(b"one", b"two"))

    assert body.rewind()
    assert run(everything(body)) == [b"one", b"two"]


@given(pieces=lists(binary(min_size=1, max_size=9), max_size=6), read=integers(0, 6), again=integers(0, 6))
def test_wherever_tries_break_off_the_next_one_reads_everything(pieces, read, again):
    body = BufferedBody(Pieces(*pieces))
    for times in (read, again):
        for _ in range(times):
            run(body.read())
        assert body.rewind()

    assert run(everything(body)) == pieces


def test_a_body_that_grows_too_large_in_a_second_try_is_not_kept_any_more():
    body = BufferedBody(Pieces(b"one", bytes(KEPT_BYTES), b"three"))
    run(body.read())
    assert body.rewind()

    pieces = run(everything(body))

    assert [len(piece) for piece in pieces] == [3, KEPT_BYTES, 5]
    assert not body.rewind()


def test_trailers_come_with_the_end_of_every_try():
    body = BufferedBody(Pieces(b"one", trailers=b"Sum: 1\r\n"))
    run(body.read())
    assert body.trailers == b""
    run(body.read())
    assert body.trailers == b"Sum: 1\r\n"
    body.rewind()

    assert run(everything(body)) == [b"one"] and body.trailers == b"Sum: 1\r\n"


def test_the_length_is_the_senders():
    pieces = Pieces()

    body = BufferedBody(pieces)

    assert body.length == pieces.length and body.streamed


@pytest.mark.parametrize(
    "written",
    [
        {"attempts": -1},
        {"attempts": 11},
        {"retryOn": ("never",)},
        {"codes": (399,)},
        {"codes": (600,)},
        {"methods": ("GET /",)},
        {"methods": ("",)},
        {"backoff": {"step": "1s"}},
        {"backoff": {"base": "1s"}},
        {"rateLimitedBackoff": {"maxInterval": "0s"}},
    ],
)
def test_settings_outside_their_bounds_are_refused(written):
    with pytest.raises(ValidationError):
        RetriesSettings.model_validate(written)
