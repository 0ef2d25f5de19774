"""Whatever one share puts in, each other has its turn."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, none, one_of

from nodeproxy.io.fair_queue import FairQueue


def filled(*shares):
    queue = FairQueue()
    for number, share in enumerate(shares):
        queue.put(share, (share, number))
    return queue


def taken(queue, number):
    return "".join(queue.take()[0] for _ in range(number))


def test_each_share_gives_one_in_turn():
    assert taken(filled(*"aaaabbc"), 7) == "abcabaa"


def test_a_share_that_was_silent_goes_first_once():
    queue = filled(*"aaaaabbbb")
    taken(queue, 2)

    queue.put("c", ("c", 0))
    queue.put("c", ("c", 1))

    assert taken(queue, 4) == "cabc"


def test_a_share_whose_turn_has_passed_without_an_item_is_new_again():
    queue = filled(*"abb")
    assert taken(queue, 3) == "abb"

    queue.put("a", ("a", 3))

    assert queue.take() == ("a", 3) and len(queue) == 0


def test_a_share_that_empties_itself_again_and_again_goes_first_only_after_a_pause():
    queue = filled(*"aaaaaa")
    order = ""

    for number in range(4):
        queue.put("b", ("b", number))
        order += taken(queue, 2)

    assert Counter(order) == {"a": 4, "b": 4}


def test_there_is_nothing_to_take_from_an_empty_queue():
    queue = filled("a")
    queue.take()

    with pytest.raises(IndexError):
        queue.take()
    assert len(queue) == 0


@given(lists(one_of(integers(0, 5), none()), max_size=300))
def test_items_of_a_share_stay_in_order_and_none_is_lost(steps):
    """A number puts an item of that share, None takes one."""
    queue, put, got = FairQueue(), Counter(), Counter()

    for share in [*steps, *[None] * len(steps)]:
        if share is not None:
            queue.put(share, (share, put[share]))
            put[share] += 1
        elif queue:
            owner, number = queue.take()
            assert number == got[owner]
            got[owner] += 1

    assert got == put and not queue


@given(lists(integers(1, 40), min_size=2, max_size=6))
def test_while_all_have_something_their_turns_differ_by_one_at_most(sizes):
    queue, got = filled(*(share for share, size in enumerate(sizes) for _ in range(size))), Counter()

    for _ in range(min(sizes) * len(sizes)):
        got[queue.take()[0]] += 1
        assert max(got[share] for share in range(len(sizes))) - min(got[share] for share in range(len(sizes))) <= 1
