"""Scopes: an inner one never outlasts an outer one, and bounds follow the bytes that move."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.io.scope import Scope
from tests.fakes.exchanges import lane

NOW = 1000.0


@pytest.fixture
def task():
    return lane()


def test_without_bounds_nothing_ends(task):
    Scope(task).moved(NOW)

    assert task.deadline == inf


@pytest.mark.parametrize(("until", "idle_s", "deadline"), [(5, inf, 5), (inf, 3, 3), (5, 3, 3), (2, 3, 2)])
def test_the_nearer_of_end_and_silence_bounds_the_next_wait(task, until, idle_s, deadline):
    scope = Scope(task)
    scope.until, scope.idle_s = NOW + until, idle_s

    scope.moved(NOW)

    assert task.deadline == NOW + deadline


def test_a_byte_that_moves_in_an_inner_scope_does_not_loosen_it(task):
    inner = Scope(task).child(NOW + 1)

    inner.moved(NOW + 0.9)

    assert task.deadline == NOW + 1


def test_an_inner_scope_has_the_silence_of_the_one_around_it(task):
    outer = Scope(task)
    outer.idle_s = 3

    outer.child(inf).moved(NOW)

    assert task.deadline == NOW + 3


def test_what_is_set_on_the_outer_scope_later_holds_for_the_inner_one_too(task):
    outer = Scope(task)
    inner = outer.child(NOW + 10)

    outer.until = NOW + 2
    inner.moved(NOW)

    assert task.deadline == inner.ends() == NOW + 2


def test_a_silence_that_is_set_on_the_outer_scope_later_holds_for_the_inner_one_too(task):
    outer = Scope(task)
    inner = outer.child(inf)

    inner.idle_s, outer.idle_s = 5, 3
    inner.moved(NOW)
    assert task.deadline == NOW + 3
    inner.extend(inf, silent_since=NOW + 1)

    assert task.deadline == NOW + 4


def test_an_inner_scope_that_is_extended_does_not_outlast_the_outer_one(task):
    outer = Scope(task)
    outer.until = NOW + 4
    inner = outer.child(NOW + 1)
    inner.moved(NOW)

    inner.extend(NOW + 9, silent_since=NOW)

    assert task.deadline == inner.ends() == NOW + 4


def test_an_end_that_is_put_off_moves_the_deadline_back_and_never_forward(task):
    scope = Scope(task)
    scope.until, scope.idle_s = NOW + 1, 5
    scope.moved(NOW)

    scope.extend(NOW + 9, silent_since=NOW)
    assert task.deadline == NOW + 5
    scope.moved(NOW + 4)
    scope.extend(NOW + 20, silent_since=NOW)

    assert task.deadline == NOW + 9


def test_reset_lifts_everything(task):
    scope = Scope(task)
    scope.until, scope.idle_s = NOW, 1
    scope.moved(NOW)

    scope.reset()

    assert (scope.until, scope.idle_s, task.deadline) == (inf, inf, inf)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=4), st.floats(0, 100))
def test_the_earliest_end_of_all_counts(ends, now):
    task = lane()
    scope = Scope(task)
    scope.until = ends[0]
    for end in ends[1:]:
        scope = scope.child(end)

    scope.moved(now)

    assert task.deadline == scope.ends() == min(ends)
