"""How many requests per second a canary gets, at any load, in all workers of a node together."""

from collections import deque
from random import Random

import pytest

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Tools
from nodeproxy.limits.buckets import Buckets
from nodeproxy.limits.leases import Lease
from nodeproxy.limits.memory import Memory
from nodeproxy.policies.canary import Pace, pace_name
from nodeproxy.policies.route_rules import Canary
from nodeproxy.telemetry.stats import RouteStats
from tests.fakes.world import Clock

NAME = pace_name("shop/web:80", "api")


def pace(memory, clock, rate, scope="node"):
    stats = RouteStats()
    tools = Tools(clock, Random(1).random, None, stats, Decisions(stats.decisions, "routes"), buckets=Buckets(memory))
    server = {"server": "redis://limits:6379"} if scope == "cluster" else {}
    return Pace(NAME, Canary.model_validate({"requestsPerSecond": rate, "scope": scope, **server}), tools)


def least_and_most(times, began, ended):
    """The fewest and the most of `times` within any second that lies between `began` and `ended`."""
    window, least, most = deque(), len(times), 0
    edges = sorted([(at, 1) for at in times] + [(began + step / 100, 0) for step in range(int((ended - began) * 100))])
    for at, arrives in edges:
        while window and window[0] <= at - 1.0:
            window.popleft()
        if arrives:
            window.append(at)
        most = max(most, len(window))
        if at >= began + 1.0:
            least = min(least, len(window))
    return least, most


def admitted(workers, clock, gaps):
    """When requests were admitted that come with these gaps to the workers in turn."""
    times = []
    for number, gap in enumerate(gaps):
        clock.now += gap
        if workers[number % len(workers)].admits():
            times.append(clock.now)
    return times


@pytest.fixture
def memory():
    shared = Memory.shared()
    yield shared
    shared.close()


@pytest.mark.parametrize("load", [10, 1000, 5000])
@pytest.mark.parametrize("rate", [1, 5, 10, 50, 333, 1000])
def test_over_every_second_the_workers_together_send_its_rate_within_one(load, rate, memory):
    clock, seconds = Clock(), 6
    workers = [pace(memory, clock, rate), pace(memory, clock, rate)]
    began = clock.now

    times = admitted(workers, clock, [1 / load] * (load * seconds))

    least, most = least_and_most(times, began, clock.now)
    possible = min(rate, load)
    assert possible - 1 <= least and most <= rate + 1, (least, most)


@pytest.mark.parametrize(("load", "rate"), [(1000, 5), (1000, 50), (5000, 50), (5000, 500)])
def test_requests_that_come_at_random_and_in_stalls_lose_none_of_it(load, rate, memory):
    clock, chance, seconds = Clock(), Random(5), 10
    workers = [pace(memory, clock, rate), pace(memory, clock, rate)]
    gaps = [chance.expovariate(load) + (0.015 if chance.random() < 0.002 else 0.0) for _ in range(load * seconds)]

    began = clock.now
    times = admitted(workers, clock, gaps)

    assert abs(len(times) - rate * (clock.now - began)) <= 2


@pytest.mark.parametrize("rate", [1, 5, 50, 500])
def test_after_a_pause_it_gets_no_burst(rate, memory):
    clock = Clock()
    workers = [pace(memory, clock, rate)]
    admitted(workers, clock, [0.001] * 2000)
    clock.now += 60.0

    times = admitted(workers, clock, [0.0002] * 5000)

    assert rate <= len(times) <= rate + 1


def test_of_the_tokens_of_a_stall_all_but_one_are_lost(memory):
    clock = Clock()
    one = pace(memory, clock, 10)
    admitted([one], clock, [0.001] * 2000)
    while not one.admits():
        clock.now += 0.001

    clock.now += 0.25

    assert [one.admits() for _ in range(5)] == [True, False, False, False, False]


def test_a_canary_of_the_cluster_uses_the_lease_of_the_node_and_no_more_than_its_rate(memory):
    clock, leases, lease = Clock(), Buckets(memory).leases, Lease(NAME)
    workers = [pace(memory, clock, 50, "cluster"), pace(memory, clock, 50, "cluster")]
    leases.renew(lease, 30.0, 0.0, clock.now + 100, 2.0)

    times = admitted(workers, clock, [0.001] * 3000)

    assert len(times) == 30


def test_without_a_lease_each_node_sends_its_share(memory):
    clock, leases, lease = Clock(), Buckets(memory).leases, Lease(NAME)
    workers = [pace(memory, clock, 50, "cluster"), pace(memory, clock, 50, "cluster")]
    leases.renew(lease, 0.0, 0.0, clock.now, 2.0)

    times = admitted(workers, clock, [0.001] * 4000)

    assert abs(len(times) - 100) <= 2


def test_a_change_of_the_rate_is_no_new_burst(memory):
    clock = Clock()
    before = admitted([pace(memory, clock, 10)], clock, [0.001] * 3000)
    after = admitted([pace(memory, clock, 20)], clock, [0.001] * 1000)

    assert len(before) in (30, 31) and len(after) in (19, 20, 21)
