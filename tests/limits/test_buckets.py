"""The buckets of a node: bounds that hold whatever the order, the number of processes and the number of keys."""

import os

import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, tuples

from nodeproxy.limits.buckets import PROBES, Bucket, Buckets, Refusal
from nodeproxy.limits.memory import BUCKETS, Memory, hashed

NOW = 5000.0


def bucket(key="a", rate=1.0, burst=2.0, name="total"):
    return Bucket(name, 3, hashed(key), rate, burst)


def colliding(number, **limit):
    """So many buckets that may be only in the same slots."""
    return [Bucket("total", 3, 7 + BUCKETS * index, limit.get("rate", 1.0), limit.get("burst", 1.0)) for index in
            range(1, number + 1)]  # fmt: skip


@pytest.fixture
def memory():
    memory = Memory.shared()
    yield memory
    memory.close()


@given(
    rate=floats(0.01, 1000.0),
    burst=integers(1, 50),
    pauses=lists(floats(0.0, 3.0), min_size=1, max_size=80),
)
def test_no_window_lets_more_through_than_its_length_times_the_rate_and_a_burst(rate, burst, pauses):
    buckets, one, now, passed = Buckets.private(), bucket(rate=rate, burst=float(burst)), NOW, []

    for pause in pauses:
        now += pause
        if buckets.take(one, now) is None:
            passed.append(now)

    for first, since in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= (passed[last] - since) * rate + burst + 1e-3


@given(rate=floats(0.01, 1000.0), burst=integers(1, 50), taken=integers(1, 60))
def test_who_comes_again_when_told_to_passes(rate, burst, taken):
    buckets, one = Buckets.private(), bucket(rate=rate, burst=float(burst))
    for _ in range(burst):
        assert buckets.take(one, NOW) is None

    refusal = buckets.take(one, NOW)

    assert buckets.take(one, NOW + refusal.wait_s) is None


@given(orders=lists(tuples(integers(0, 2), floats(0.0, 1.0)), max_size=60))
def test_of_several_limits_a_request_takes_from_all_or_from_none(orders):
    buckets, now = Buckets.private(), NOW
    all_of = [bucket("a", 1.0, 5.0), bucket("b", 0.5, 3.0), bucket("c", 2.0, 2.0)]

    for only, pause in orders:
        now += pause
        before = [buckets.left(each, now) for each in all_of]
        refusal = buckets.take_all(all_of if only == 2 else all_of[: only + 1], None, now)
        taken = [had - buckets.left(each, now) for had, each in zip(before, all_of, strict=True)]
        counted = 3 if only == 2 else only + 1
        expected = [1.0 if refusal is None and index < counted else 0.0 for index in range(3)]
        assert taken == pytest.approx(expected)


def test_of_several_refusals_the_longest_is_told():
    buckets, soon, late = Buckets.private(), bucket("a", 10.0, 1.0, "rule"), bucket("b", 0.5, 1.0, "caller")
    assert buckets.take_all([soon, late], None, NOW) is None

    assert buckets.take_all([soon, late], None, NOW) == Refusal("caller", 2.0)


def test_a_limit_that_changes_keeps_what_was_taken():
    buckets = Buckets.private()
    for _ in range(2):
        buckets.take(bucket(rate=1.0, burst=2.0), NOW)

    raised = [buckets.take(bucket(rate=1.0, burst=3.0), NOW) for _ in range(2)]

    assert raised == [None, Refusal("total", 1.0)]


def test_a_bucket_that_had_drained_stays_so_when_its_limit_becomes_slower():
    buckets = Buckets.private()
    for _ in range(9):
        buckets.take(bucket(rate=100.0, burst=9.0), NOW)

    assert buckets.take(bucket(rate=0.001, burst=1.0), NOW + 1) is None


def test_the_slot_of_a_drained_bucket_is_used_again():
    buckets = Buckets.private()

    for index, each in enumerate(colliding(PROBES * 5)):
        assert buckets.take(each, NOW + 10 * (index // PROBES)) is None

    assert buckets.evicted == 0


def test_a_key_that_finds_no_free_slot_begins_with_what_was_taken_from_the_one_it_replaces():
    buckets = Buckets.private()
    *first, newcomer = colliding(PROBES + 1)
    for index, each in enumerate(first):
        buckets.take(each, NOW + index / 100)

    refusal = buckets.take(newcomer, NOW + 0.1)

    assert refusal.wait_s == pytest.approx(0.9)  # that of the oldest
    assert buckets.evicted == 1
    assert buckets.take(first[-1], NOW + 0.1) is not None


def test_what_was_taken_by_a_process_that_ended_stays_taken(memory):
    pid = os.fork()
    if not pid:
        Buckets(memory).take(bucket(), NOW)
        os._exit(0)
    os.waitpid(pid, 0)

    assert Buckets(memory).left(bucket(), NOW) == 1.0


def test_four_processes_at_once_take_no_more_than_there_is(memory):
    burst, tries = 3000, 2000
    reading, writing = os.pipe()
    children = []
    for _ in range(4):
        children.append(os.fork())
        if not children[-1]:
            own = Buckets(memory)
            passed = sum(own.take(bucket(rate=0.001, burst=float(burst)), NOW) is None for _ in range(tries))
            os.write(writing, b"%d\n" % passed)
            os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as results:
        passed = [int(line) for line in results]

    assert sum(passed) == burst


def test_a_process_that_dies_with_a_lock_leaves_it_to_the_others(memory):
    pid = os.fork()
    if not pid:
        memory.lock(3)
        os._exit(0)  # as a kill: nothing is unlocked
    os.waitpid(pid, 0)

    assert Buckets(memory).take(bucket(), NOW) is None
