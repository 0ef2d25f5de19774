"""Which endpoint a client gets, and for how long it keeps it."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis.strategies import integers, sets

from nodeproxy.balance.balancer import Balancer
from nodeproxy.balance.choice import by_chance
from nodeproxy.balance.health import Health, connect_failed
from nodeproxy.balance.sticky import StickyBalancer, StickySessions, favourite
from tests.fakes.member import Member

NOW, KEPT_S = 1000.0, 60.0


@dataclass
class Request:
    client: str = "10.0.0.9"
    tried: list | None = None


def members(number):
    return [Member(f"10.1.0.{index}:80") for index in range(1, number + 1)]


def seated(of, sessions=None):
    return StickyBalancer(Balancer(of, by_chance, lambda: 0.0), sessions or StickySessions(KEPT_S))


def newcomer(client, among):
    """A member that `client` would have drawn before all of `among`."""
    for number in range(10_000):
        member = Member(f"10.2.0.{number}:80")
        if favourite(client, [*among, member]) is member:
            return member
    raise AssertionError("none of 10,000")


def test_requests_of_a_client_go_to_one_endpoint_and_clients_spread_over_all():
    of_five = seated(members(5))

    counted = Counter()
    for number in range(500):
        request = Request(f"10.0.{number // 250}.{number % 250}")
        first = of_five.next(NOW, request)
        assert all(of_five.next(NOW + step, request) is first for step in range(3))
        counted[first.name] += 1

    assert len(counted) == 5 and min(counted.values()) > 50


def test_two_workers_choose_the_same():
    names = [seated(members(9)).next(NOW, Request()).name for _ in range(2)]

    assert names[0] == names[1]


def test_a_client_keeps_its_endpoint_when_one_comes_that_it_would_have_drawn():
    sessions, of_three = StickySessions(KEPT_S), members(3)
    first = seated(of_three, sessions).next(NOW, Request())
    more = seated([*of_three, newcomer("10.0.0.9", of_three)], sessions)

    assert more.next(NOW + KEPT_S - 1, Request()) is first
    assert more.next(NOW + 2 * KEPT_S - 2, Request()) is first


def test_after_the_timeout_since_its_last_request_a_client_draws_again():
    sessions, of_three = StickySessions(KEPT_S), members(3)
    late = newcomer("10.0.0.9", of_three)
    seated(of_three, sessions).next(NOW, Request())

    assert seated([*of_three, late], sessions).next(NOW + KEPT_S, Request()) is late


@pytest.mark.parametrize("loss", ["ejected", "probed down", "gone"])
def test_a_client_whose_endpoint_is_lost_gets_another_and_stays_there(loss):
    sessions, of_three = StickySessions(KEPT_S), members(3)
    first = seated(of_three, sessions).next(NOW, Request())
    if loss == "gone":
        of_three.remove(first)
    elif loss == "ejected":
        connect_failed(first.health, NOW)
    else:
        first.health.probes_down = True

    then = seated(of_three, sessions).next(NOW, Request())
    first.health = Health()

    assert then is not first
    assert seated(of_three, sessions).next(NOW + 30, Request()) is then


def test_a_retry_goes_elsewhere_and_the_client_does_not_move_there():
    of_three = seated(members(3))
    first = of_three.next(NOW, Request())

    elsewhere = of_three.next(NOW, Request(tried=[first]))

    assert elsewhere is not first
    assert of_three.next(NOW, Request()) is first


def test_a_client_that_was_sent_far_comes_back_with_the_near_ones():
    near, far = members(2)
    far.distance, near.health.probes_down = 1, True
    of_two = seated([near, far])

    assert of_two.next(NOW, Request()) is far
    near.health.probes_down = False
    of_two.review(NOW)
    assert of_two.next(NOW, Request()) is near


def test_a_service_without_endpoints_has_none_for_any_client():
    empty = seated([])

    assert empty.next(NOW, Request()) is None
    assert not empty.has_others([]) and empty.usable_count(NOW) == 0


def test_beyond_the_bound_the_client_that_was_silent_longest_draws_again():
    sessions, of_three = StickySessions(KEPT_S, most=2), members(3)
    for client in ("a", "b", "a", "c"):
        sessions.endpoint_for(client, of_three, NOW)

    kept, late = newcomer("a", of_three), newcomer("b", of_three)

    assert sessions.endpoint_for("a", [*of_three, kept], NOW) is not kept
    assert sessions.endpoint_for("b", [*of_three, late], NOW) is late


@given(numbers=sets(integers(0, 200), min_size=2, max_size=8), client=integers(0, 1000))
def test_when_an_endpoint_goes_only_its_own_clients_draw_again(numbers, client):
    those = [Member(f"10.3.0.{number}:80") for number in sorted(numbers)]
    drawn = favourite(f"c{client}", those)

    for leaving in those:
        left = [member for member in those if member is not leaving]
        assert leaving is drawn or favourite(f"c{client}", left) is drawn


def test_a_client_that_was_silent_for_longer_than_the_timeout_draws_again():
    sessions, of_three = StickySessions(KEPT_S), members(3)
    late = newcomer("10.0.0.9", of_three)
    seated(of_three, sessions).next(NOW, Request())

    assert seated([*of_three, late], sessions).next(NOW + 3 * KEPT_S, Request()) is late


def test_what_a_client_draws_never_changes_between_releases():
    drawn = [favourite(f"10.0.0.{number}", members(9)).name for number in range(1, 7)]

    assert drawn == [f"10.1.0.{index}:80" for index in (9, 1, 2, 8, 6, 3)]
