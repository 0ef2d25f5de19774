"""Who takes part: tried ones are avoided, nobody fit means everybody, an ejection's end brings its endpoint back."""

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, lists, tuples

from nodeproxy.balance.balancer import Balancer
from nodeproxy.balance.choice import InTurn, by_chance
from nodeproxy.balance.health import Health, connect_failed
from tests.fakes.member import Member

NOW = 1000.0


class Request:
    client = "10.0.0.9"

    def __init__(self, tried=None):
        self.tried = tried


def members(names="abc"):
    return [Member(name) for name in names]


def balancer(of):
    return Balancer(of, InTurn(), lambda: 0.0)


def given_by(balancer, now=NOW, tried=None, times=6):
    """The names of all that `times` requests are given, in order of the alphabet."""
    return "".join(sorted({balancer.next(now, Request(tried)).name for _ in range(times)}))


def test_a_service_without_endpoints_gives_none():
    empty = balancer([])

    assert empty.next(NOW, Request()) is None
    assert empty.usable_count(NOW) == 0
    assert not empty.has_others([])


@pytest.mark.parametrize(("tried", "left"), [("", "abc"), ("a", "bc"), ("ab", "c"), ("abc", "abc")])
def test_tried_ones_are_given_only_when_no_other_is_left(tried, left):
    a_b_c = members()

    given = given_by(balancer(a_b_c), tried=[member for member in a_b_c if member.name in tried])

    assert given == left


@pytest.mark.parametrize(("percent", "left"), [(50, "b"), (51, "bcd")])
def test_in_panic_what_was_not_tried_is_as_good_as_what_is_usable(percent, left):
    of_four = members("abcd")
    for member in of_four[2:]:
        connect_failed(member.health, NOW)

    some = Balancer(of_four, InTurn(), lambda: 0.0, percent)

    assert given_by(some) == ("ab" if percent == 50 else "abcd")
    assert given_by(some, tried=of_four[:1]) == left


def test_one_that_is_ejected_is_better_than_one_that_was_tried():
    a, b = members("ab")
    connect_failed(b.health, NOW)

    assert given_by(balancer([a, b]), tried=[a]) == "b"


def test_an_ejected_one_takes_no_part_until_its_ejection_ends():
    a, b = members("ab")
    connect_failed(b.health, NOW)
    of_two = balancer([a, b])

    assert given_by(of_two, NOW + 0.99) == "a"
    assert given_by(of_two, NOW + 1.0) == "ab"


def test_the_earliest_of_several_ejections_is_waited_for():
    a, b, c = members()
    b.health.ejected_until, c.health.ejected_until = NOW + 9, NOW + 3
    of_three = balancer([a, b, c])

    assert [given_by(of_three, NOW + late_s) for late_s in (0, 2.9, 3, 8.9, 9)] == ["a", "a", "ac", "ac", "abc"]


def test_a_change_of_health_counts_from_the_review_on():
    a, b = members("ab")
    of_two = balancer([a, b])
    assert given_by(of_two) == "ab"

    b.health.probes_down = True
    assert given_by(of_two) == "ab"
    of_two.review(NOW)
    assert given_by(of_two) == "a"
    b.health.probes_down = False
    of_two.review(NOW)

    assert given_by(of_two) == "ab"


@pytest.mark.parametrize("unfit", [Health(probes_down=True), Health(ejected_until=NOW + 60)])
def test_when_nobody_is_fit_everybody_is_asked_and_nobody_counted(unfit):
    a, b = members("ab")
    a.health = b.health = unfit
    of_two = balancer([a, b])

    assert given_by(of_two) == "ab"
    assert of_two.usable_count(NOW) == 0


def test_the_count_of_usable_ones_follows_the_clock():
    a, b, c = members()
    connect_failed(b.health, NOW)
    c.health.probes_down = True
    of_three = balancer([a, b, c])

    assert [of_three.usable_count(now) for now in (NOW, NOW + 1)] == [1, 2]


def test_others_are_those_that_were_not_tried():
    a, b = members("ab")
    of_two = balancer([a, b])

    assert of_two.has_others([]) and of_two.has_others([a])
    assert not of_two.has_others([a, b])


def row(**distances):
    """Members by name, each so far away."""
    return {name: Member(name, distance=distance) for name, distance in distances.items()}


def test_farther_ones_take_no_part_while_a_nearer_one_is_usable():
    far = row(a=0, b=1, c=0, d=2)

    assert given_by(balancer(far.values())) == "ac"


def test_where_nobody_is_nearest_the_next_ones_take_part():
    assert given_by(balancer(row(a=2, b=1, c=1).values())) == "bc"


def test_a_tier_of_which_nobody_is_fit_is_replaced_by_the_next_until_it_is_fit_again():
    far = row(a=0, b=1, c=2)
    of_three = balancer(far.values())
    connect_failed(far["a"].health, NOW)
    far["b"].health.probes_down = True

    assert given_by(of_three, NOW) == "c"
    assert given_by(of_three, NOW + 1) == "a"


def test_when_nobody_is_fit_at_any_distance_everybody_is_asked():
    far = row(a=0, b=1)
    for member in far.values():
        member.health.probes_down = True

    assert given_by(balancer(far.values())) == "ab"


@pytest.mark.parametrize(("tried", "given"), [("a", "c"), ("ac", "b"), ("acb", "d"), ("acbd", "ac")])
def test_a_request_that_has_tried_all_of_a_tier_goes_on_with_the_next(tried, given):
    far = row(a=0, c=0, b=1, d=2)

    assert given_by(balancer(far.values()), tried=[far[name] for name in tried]) == given


def test_a_farther_one_that_is_fit_comes_before_a_nearer_one_that_is_not():
    far = row(a=0, b=0, c=1)
    connect_failed(far["b"].health, NOW)

    assert given_by(balancer(far.values()), tried=[far["a"]]) == "c"
    assert given_by(balancer(far.values()), tried=[far["a"], far["c"]]) == "b"


CONDITION = tuples(integers(0, 2), booleans(), booleans())  # distance, fit, tried


@given(drawn=lists(CONDITION, max_size=8), chance=floats(0, 1, exclude_max=True))
def test_whoever_is_given_nobody_better_was_left(drawn, chance):
    all_of_them = [
        Member(str(index), distance=away, health=Health(probes_down=not fit))
        for index, (away, fit, _) in enumerate(drawn)
    ]
    tried = [member for member, (_, _, was_tried) in zip(all_of_them, drawn, strict=True) if was_tried]

    found = Balancer(all_of_them, by_chance, lambda: chance).next(NOW, Request(tried))

    def rank(member):
        return member in tried, member.health.probes_down, 0 if member.health.probes_down else member.distance

    assert (found is None) == (not all_of_them)
    assert found is None or found in tried or rank(found) == min(map(rank, all_of_them))
    assert found not in tried or len(tried) == len(all_of_them)
