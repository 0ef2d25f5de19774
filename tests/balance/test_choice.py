"""The choosers: what each prefers, and that chance is fair."""

from collections import Counter
from dataclasses import dataclass
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists

from nodeproxy.balance.choice import InTurn, LeastRequest, by_chance

RANDOM_NUMBERS = floats(0, 1, exclude_max=True)


@dataclass(eq=False)
class Carrier:
    name: str
    active: int = 0


def carriers(*active):
    return [Carrier(f"e{index}", load) for index, load in enumerate(active)]


@given(loads=lists(integers(0, 9), min_size=2, max_size=9), number=RANDOM_NUMBERS)
def test_the_most_loaded_of_all_is_never_chosen_by_load(loads, number):
    candidates = carriers(*loads, 10)

    assert LeastRequest()(candidates, lambda: number).active < 10


def test_two_different_ones_are_compared_each_pair_as_often_as_any_other():
    choose, pairs, random = LeastRequest(), Counter(), Random(7)
    for _ in range(12_000):
        seen = Pair(4)
        choose(seen, random.random)
        pairs[tuple(seen.asked)] += 1

    assert len(pairs) == 12
    assert all(first != second for first, second in pairs)
    assert all(850 < times < 1150 for times in pairs.values())


class Pair:
    """Candidates that note which of them are looked at."""

    def __init__(self, count):
        self._members = carriers(*[0] * count)
        self.asked = []

    def __len__(self):
        return len(self._members)

    def __getitem__(self, index):
        self.asked.append(index)
        return self._members[index]


def test_equal_loads_are_shared_evenly():
    random, candidates, choose = Random(1), carriers(0, 0, 0), LeastRequest()

    chosen = Counter(choose(candidates, random.random).name for _ in range(9000))

    assert chosen == {"e0": 3000, "e1": 3000, "e2": 3000}


def test_the_first_of_equal_loads_may_be_any():
    random, candidates = Random(4), carriers(0, 0, 0)

    chosen = Counter(LeastRequest()(candidates, random.random).name for _ in range(9000))

    assert all(2800 < times < 3200 for times in chosen.values())


def test_some_requests_at_a_time_are_shared_evenly():
    random, candidates, choose = Random(5), carriers(0, 0, 0), LeastRequest()
    chosen, under_way = Counter(), []
    for _ in range(9000):
        carrier = choose(candidates, random.random)
        carrier.active += 1
        chosen[carrier.name] += 1
        under_way.append(carrier)
        if len(under_way) > 8:  # they end in any order
            under_way.pop(random.randrange(9)).active -= 1

    assert all(2970 < times < 3030 for times in chosen.values())


def test_load_stays_level_when_every_exchange_lasts():
    random, candidates, choose = Random(2), carriers(*[0] * 10), LeastRequest()
    for _ in range(1000):
        choose(candidates, random.random).active += 1

    loads = [candidate.active for candidate in candidates]
    assert max(loads) - min(loads) <= 6


@given(count=integers(1, 50), number=RANDOM_NUMBERS)
def test_every_random_number_chooses_somebody(count, number):
    candidates = carriers(*[0] * count)

    for choose in (LeastRequest(), by_chance, InTurn()):
        assert choose(candidates, lambda: number) in candidates


def test_chance_is_fair():
    random, candidates = Random(3), carriers(0, 5, 99)

    chosen = Counter(by_chance(candidates, random.random).name for _ in range(9000))

    assert len(chosen) == 3
    assert all(2800 < times < 3200 for times in chosen.values())


@pytest.mark.parametrize(("number", "names"), [(0.0, "e0 e1 e2 e0"), (0.5, "e1 e2 e0 e1"), (0.99, "e2 e0 e1 e2")])
def test_turns_start_anywhere_and_leave_nobody_out(number, names):
    in_turn, candidates = InTurn(), carriers(0, 0, 0)

    assert " ".join(in_turn(candidates, lambda: number).name for _ in range(4)) == names


def test_turns_go_on_when_there_are_fewer_than_before():
    in_turn = InTurn()
    for _ in range(3):
        in_turn(carriers(0, 0, 0, 0), lambda: 0.0)

    assert [in_turn(carriers(0, 0), lambda: 0.0).name for _ in range(3)] == ["e1", "e0", "e1"]


def test_two_services_take_turns_apart():
    one, other = InTurn(), InTurn()
    candidates = carriers(0, 0, 0)

    turns = [choose(candidates, lambda: 0.0).name for _, choose in product(range(2), (one, other))]

    assert turns == ["e0", "e0", "e1", "e1"]
