"""Consistent hashing: even, the same everywhere, and only the keys of an endpoint that goes move."""

from collections import Counter
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis.strategies import integers, lists, sampled_from, sets

from nodeproxy.balance.balancer import Balancer
from nodeproxy.balance.choice import by_chance
from nodeproxy.balance.hash_key import of_header
from nodeproxy.balance.hash_tables import Ring, SlotTable, hash_of
from nodeproxy.balance.hashing import HashBalancer, Hashing
from nodeproxy.balance.health import connect_failed
from tests.fakes.exchanges import exchange
from tests.fakes.member import Member

NOW = 1000.0
KEYS = [f"user-{number}".encode() for number in range(500)]
KINDS = sampled_from(["table", "ring"])
NUMBERS = sets(integers(0, 250), min_size=2, max_size=12)


def members(numbers):
    return [Member(f"10.3.0.{number}:80") for number in sorted(numbers)]


def table(kind, of):
    return Ring(of, 1024) if kind == "ring" else SlotTable(of, 65537)


def alike(one, other):
    """Whether no power of two is passed from one number of members to the other."""
    return one.bit_length() == other.bit_length()


def owners(kind, of, keys=KEYS):
    made = table(kind, of)
    return {key: made.pick(hash_of(key)) for key in keys}


@given(numbers=NUMBERS, kind=KINDS)
@settings(max_examples=20)
def test_when_an_endpoint_goes_exactly_its_keys_move(numbers, kind):
    assume(kind == "table" or alike(len(numbers), len(numbers) - 1))
    of = members(numbers)
    before = owners(kind, of)
    leaving = of[len(of) // 2]

    after = owners(kind, [member for member in of if member is not leaving])

    assert {key for key in KEYS if before[key] is not after[key]} == {key for key in KEYS if before[key] is leaving}


@given(numbers=NUMBERS, kind=KINDS)
@settings(max_examples=20)
def test_when_an_endpoint_comes_keys_move_only_to_it(numbers, kind):
    assume(kind == "table" or alike(len(numbers), len(numbers) + 1))
    of = members(numbers)
    before, newcomer = owners(kind, of), Member("10.4.0.1:80")

    after = owners(kind, [newcomer, *of])

    assert {after[key] for key in KEYS if before[key] is not after[key]} <= {newcomer}


@pytest.mark.parametrize("kind", ["table", "ring"])
def test_workers_agree_whatever_the_order_of_the_endpoints(kind):
    of = members(range(7))

    assert owners(kind, of) == owners(kind, of[::-1])


@pytest.mark.parametrize(("count", "deviation"), [(2, 0.02), (5, 0.03), (20, 0.06)])
def test_the_slots_of_a_table_are_shared_evenly(count, deviation):
    of = SlotTable(members(range(count)), 65537)

    slots = Counter(of.pick(slot).name for slot in range(65537))

    assert len(slots) == count
    assert all(abs(number * count / 65537 - 1) < deviation for number in slots.values())


def test_a_ring_gives_every_endpoint_something():
    seen = Counter(member.name for member in owners("ring", members(range(5))).values())

    assert len(seen) == 5 and min(seen.values()) > 50 and max(seen.values()) < 200


@pytest.mark.parametrize("kind", ["table", "ring"])
def test_a_key_never_changes_its_endpoint_between_releases(kind):
    keys = [f"user-{number}".encode() for number in range(6)]

    numbers = [int(member.name[7:-3]) for member in owners(kind, members(range(9)), keys).values()]

    assert numbers == {"table": [3, 0, 1, 1, 8, 0], "ring": [1, 1, 0, 0, 0, 7]}[kind]


def test_more_members_than_two_bytes_count_are_all_found():
    of = SlotTable([Member(f"m{number}") for number in range(65_536)], 1009)

    assert len({of.pick(slot).name for slot in range(5)}) == 5


def balancer(of, factor=0.0, **changes):
    hashing = Hashing(of_header("x-user"), ring=False, size=1009, factor=factor)
    return HashBalancer(Balancer(of, by_chance, lambda: 0.0, **changes), hashing, Random(3).random)


def of_user(name, tried=None):
    one = exchange()
    if name:
        one.request.fields.add(b"X-User", name)
    one.tried = tried
    return one


def test_requests_of_a_key_go_to_one_endpoint():
    of_five = balancer(members(range(5)))

    assert len({of_five.next(NOW, of_user(b"ada")).name for _ in range(20)}) == 1
    assert len({of_five.next(NOW, of_user(key)).name for key in KEYS[:100]}) == 5


def test_a_request_without_a_key_goes_anywhere():
    of_five = balancer(members(range(5)))

    assert len({of_five.next(NOW, of_user(b"")).name for _ in range(100)}) == 5


def test_a_retry_goes_elsewhere_and_the_key_stays():
    of = members(range(5))
    of_five = balancer(of)
    first = of_five.next(NOW, of_user(b"ada"))

    second = {of_five.next(NOW, of_user(b"ada", tried=[first])) for _ in range(9)}

    assert len(second) == 1 and first not in second
    assert of_five.next(NOW, of_user(b"ada")) is first


def test_the_keys_of_an_ejected_endpoint_are_elsewhere_until_it_is_back():
    of = members(range(5))
    of_five = balancer(of)
    before = {key: of_five.next(NOW, of_user(key)) for key in KEYS[:300]}
    connect_failed(of[2].health, NOW)
    of_five.review(NOW)

    during = {key: of_five.next(NOW, of_user(key)) for key in before}
    after = {key: of_five.next(NOW + 1, of_user(key)) for key in before}

    assert {key for key in before if before[key] is not during[key]} == {key for key in before if before[key] is of[2]}
    assert after == before


def test_a_service_without_endpoints_has_none_for_any_key():
    empty = balancer([])

    assert empty.next(NOW, of_user(b"ada")) is None
    assert not empty.has_others([]) and empty.usable_count(NOW) == 0


@given(loads=lists(integers(0, 40), min_size=1, max_size=8), key=sampled_from(KEYS), percent=integers(100, 400))
def test_no_endpoint_is_given_a_request_beyond_its_bound(loads, key, percent):
    of = members(range(len(loads)))
    for member, load in zip(of, loads, strict=True):
        member.active = load

    chosen = balancer(of, percent / 100).next(NOW, of_user(key))

    assert chosen.active == 0 or chosen.active + 1 <= -(-(sum(loads) + 1) * percent // (100 * len(loads)))


def test_a_popular_key_is_spread_as_far_as_the_bound_asks():
    of = members(range(4))
    of_four = balancer(of, 1.5)
    for _ in range(100):
        of_four.next(NOW, of_user(b"popular")).active += 1

    assert sorted(member.active for member in of)[-1] <= 38


def test_where_all_have_as_many_a_key_stays_at_its_own():
    of = members(range(4))
    own = [balancer(of).next(NOW, of_user(key)) for key in KEYS]
    for member in of:
        member.active = 2

    assert [balancer(of, 1.0).next(NOW, of_user(key)) for key in KEYS] == own


def test_without_a_bound_a_popular_key_stays_together():
    of = members(range(4))
    of_four = balancer(of)
    for _ in range(100):
        of_four.next(NOW, of_user(b"popular")).active += 1

    assert sorted(member.active for member in of) == [0, 0, 0, 100]


def test_where_all_others_are_at_their_bound_the_one_that_is_not_is_found():
    of = members(range(200))
    for member in of[1:]:
        member.active = 10

    chosen = {balancer(of, 1.0).next(NOW, of_user(key)) for key in KEYS[:20]}

    assert chosen == {of[0]}
