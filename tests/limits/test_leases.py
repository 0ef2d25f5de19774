"""Leases as workers use them."""

import pytest

from nodeproxy.limits.buckets import Bucket, Buckets
from nodeproxy.limits.leases import PROBES, Exhausted, Lease, Leases, LeaseState, Unleased
from nodeproxy.limits.memory import LEASES, Memory, hashed

NOW = 5000.0
WEB = "shop/web:80"


def lease():
    return Lease(WEB)


@pytest.fixture
def buckets():
    return Buckets(Memory())


def test_without_the_control_process_there_is_no_lease(buckets):
    assert buckets.take_all([], lease(), NOW) == Unleased(1.0)


def test_so_many_pass_as_were_leased_and_may_be_paid_later(buckets):
    buckets.leases.renew(lease(), 2.0, credit=1.0, until=NOW + 1, nodes=3.0)

    answers = [buckets.take_all([], lease(), NOW) for _ in range(5)]

    assert answers == [None] * 3 + [Exhausted()] * 2
    assert buckets.leases.read(lease()) == LeaseState(-1.0, 1.0, 5.0, NOW + 1, 3.0)


def test_a_lease_that_is_not_renewed_ends_and_the_number_of_nodes_stays_known(buckets):
    buckets.leases.renew(lease(), 2.0, credit=1.0, until=NOW + 1, nodes=3.0)

    assert buckets.take_all([], lease(), NOW + 1) == Unleased(3.0)


def test_a_suspended_lease_is_in_force_again_when_it_is_renewed_and_starts_with_what_it_gets(buckets):
    buckets.leases.renew(lease(), 5.0, credit=0.0, until=NOW + 1, nodes=2.0)
    buckets.leases.suspend(lease())
    suspended = buckets.take_all([], lease(), NOW)

    buckets.leases.renew(lease(), 1.0, credit=0.0, until=NOW + 1, nodes=2.0)

    assert suspended == Unleased(2.0)
    assert [buckets.take_all([], lease(), NOW) for _ in range(2)] == [None, Exhausted()]


def test_a_request_that_another_limit_refuses_takes_nothing_from_the_lease(buckets):
    other = Bucket("total", lease().region, hashed("total"), 1.0, 1.0)
    buckets.leases.renew(lease(), 5.0, credit=0.0, until=NOW + 1, nodes=1.0)

    answers = [buckets.take_all([other], lease(), NOW) is None for _ in range(2)]

    assert answers == [True, False]
    assert buckets.leases.read(lease()).balance == 4.0


def test_a_request_that_the_lease_refuses_takes_nothing_from_other_limits(buckets):
    other = Bucket("total", lease().region, hashed("total"), 1.0, 1.0)
    buckets.leases.renew(lease(), 0.0, credit=0.0, until=NOW + 1, nodes=1.0)

    assert buckets.take_all([other], lease(), NOW) == Exhausted()
    assert buckets.left(other, NOW) == 1.0


def test_a_place_is_free_again_when_its_limit_has_gone():
    leases, alike = Leases(Memory()), []
    for index in range(PROBES + 1):
        each = Lease(WEB)
        each.key = 5 + LEASES * (index + 1)
        alike.append(each)

    placed = [leases.renew(each, 1.0, 0.0, NOW, 1.0) for each in alike]
    leases.end(alike[0])

    assert placed == [True] * PROBES + [False]
    assert leases.renew(alike[-1], 1.0, 0.0, NOW, 1.0)
