"""Leases of several nodes together, with a server that counts as the real one and a clock that the test moves."""

from math import floor

import pytest
from hypothesis import given
from hypothesis.strategies import data, floats, integers, lists, sampled_from, tuples

from discovery.cluster_limits.claims import AHEAD_S, CREDIT_S, SLACK_S
from discovery.cluster_limits.lessor import HOLD_S, ClusterLimits, Keeper
from discovery.cluster_limits.server import Grant, ServerGone
from discovery.cluster_limits.wanted import ClusterLimit
from nodeproxy.limits.buckets import Buckets
from nodeproxy.limits.leases import Exhausted, Lease, Unleased
from nodeproxy.limits.memory import Memory
from nodeproxy.mesh.model import Port, Service
from tests.fakes.exchanges import run

URL, WEB = "redis://limits", "shop/web:80"


class Counting:
    """What all nodes share: the time, and the level of each limit."""

    def __init__(self):
        self.now, self.gone = 1000.0, False
        self.exchanges = 0
        self._levels, self._nodes = {}, set()

    async def exchange(self, node, claims):
        if self.gone:
            raise ServerGone("gone")
        self.exchanges += 1
        self._nodes.add(node)
        return float(len(self._nodes)), [self._grant(claim) for claim in claims]

    def _grant(self, claim):
        level, at = self._levels.get(claim.limit.port, (0.0, self.now))
        level = max(0.0, level - (self.now - at) * claim.limit.rate) + claim.owed
        granted = max(0, min(claim.tokens, floor(claim.burst - level + 1e-6))) if claim.tokens > 0 else claim.tokens
        self._levels[claim.limit.port] = max(0.0, level + granted), self.now
        return Grant(granted, float(len(self._nodes)))


class Node:
    """Workers and control process of one node."""

    def __init__(self, world, name, limit):
        self.buckets = Buckets(Memory())
        self.world, self.name = world, name
        self.keeper = Keeper(URL, self, self.buckets, lambda: world.now)
        self.keeper.put(limit)
        self.lease = Lease(limit.port)

    async def exchange(self, claims):
        return await self.world.exchange(self.name, claims)

    async def close(self):
        pass

    def round(self):
        return run(self.keeper.round())

    def ask(self):
        return self.buckets.take_all([], self.lease, self.world.now)


def cluster(nodes, rate, burst):
    world, limit = Counting(), ClusterLimit(WEB, URL, rate, burst)
    made = [Node(world, f"n{number}", limit) for number in range(nodes)]
    for node in made * 2:  # the first learns of the last
        node.round()
        world.now += 0.6
    return world, made


@given(data(), integers(1, 4), sampled_from((0.5, 4.0, 40.0, 400.0)), integers(1, 40))
def test_all_nodes_together_exceed_the_limit_by_no_more_than_a_lease(data, nodes, rate, burst):
    world, made = cluster(nodes, rate, float(burst))
    lease = rate * (CREDIT_S + AHEAD_S + SLACK_S) + nodes
    steps = data.draw(lists(tuples(integers(0, nodes - 1), integers(0, 30), floats(0.0, 0.5)), max_size=40))

    passed = []
    for number, requests, pause in steps:
        passed += [world.now] * sum(made[number].ask() is None for _ in range(requests))
        made[number].round()
        world.now += pause

    for first, since in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= (passed[last] - since) * rate + burst + lease + 1e-6


@pytest.mark.parametrize(("rate", "burst"), [(20.0, 1.0), (100.0, 100.0), (1000.0, 50.0)])
def test_one_busy_node_of_three_has_the_whole_limit(rate, burst):
    world, (busy, *_) = cluster(3, rate, burst)

    passed, seconds = 0, 20
    for _ in range(seconds * 50):
        passed += sum(busy.ask() is None for _ in range(60))
        world.now += busy.round()

    assert passed >= 0.95 * rate * seconds


def test_a_node_without_requests_asks_only_whether_the_server_is_there():
    world, (node,) = cluster(1, 100.0, 100.0)
    before = world.exchanges

    for _ in range(500):
        world.now += node.round()

    assert world.exchanges - before == pytest.approx(10 / 0.5, abs=2)


def test_what_an_idle_node_has_leased_ahead_goes_to_the_others():
    world, (idle, busy) = cluster(2, 40.0, 40.0)
    for _ in range(10):
        idle.ask()
        world.now += idle.round()
    held = idle.buckets.leases.read(idle.lease).balance

    world.now += 2
    idle.round()
    busy.round()

    assert held > 0 and idle.buckets.leases.read(idle.lease).balance == 0
    assert busy.ask() is None


def test_while_the_server_is_gone_there_is_no_lease_and_the_nodes_it_knew_stay_known():
    world, (node, _) = cluster(2, 40.0, 40.0)

    world.gone = True
    world.now += 0.6
    node.round()

    assert node.keeper.up is False
    assert node.ask() == Unleased(2.0)


def test_without_the_control_process_a_lease_ends_by_itself():
    world, (node,) = cluster(1, 40.0, 40.0)
    assert node.ask() is None

    world.now += HOLD_S

    assert node.ask() == Unleased(1.0)


def test_what_was_used_meanwhile_is_counted_when_the_server_is_back():
    world, (node,) = cluster(1, 0.01, 10.0)
    world.gone = True
    world.now += 0.6
    node.round()
    share = node.keeper.limits[WEB].share
    share.rate, share.burst = 0.01, 10.0
    assert sum(node.buckets.take(share, world.now) is None for _ in range(12)) == 10

    world.gone = False
    node.round()
    answers = []
    for _ in range(10):
        answers.append(node.ask())
        world.now += node.round()

    assert answers == [None] + [Exhausted()] * 9  # the credit, and nothing that it could be paid from


def test_the_end_of_a_lease_is_no_second_burst():
    world, (node, _) = cluster(2, 0.1, 20.0)
    share = node.keeper.limits[WEB].share

    def ask():
        share.rate, share.burst = 0.05, 10.0
        answer = node.buckets.take_all([], node.lease, world.now, share)
        if not isinstance(answer, Unleased):
            return answer is None
        return node.buckets.take(share, world.now) is None

    def passed():
        number = 0
        for _ in range(100):
            number += ask()
            world.now += min(node.round(), 0.02)
        return number

    before = passed()
    world.gone = True
    during = passed()
    world.gone = False
    after = passed()

    assert (before, during) == (21, 0)  # the burst and the credit
    assert after <= 1


def test_each_change_of_a_server_is_logged_once(caplog):
    caplog.set_level("INFO", "discovery")
    world, (node,) = cluster(1, 40.0, 40.0)

    for gone in (True, True, False, False):
        world.gone = gone
        world.now += 0.6
        node.round()

    assert [record.message for record in caplog.records] == [
        "limit server answers", "limit server does not answer", "limit server answers",
    ]  # fmt: skip


def test_limits_follow_the_services_that_ask_for_them():
    world, buckets = Counting(), Buckets(Memory())
    limits = ClusterLimits(buckets, lambda _url: Node(world, "n", ClusterLimit("x/y:1", URL, 1.0, 1.0)), lambda: 1.0)

    def service(**policies):
        return Service("shop", "web", ports=(Port(80), Port(81), Port(90, protocol="tcp")), policies=policies)

    asked = {"global": {"server": URL, "requestsPerSecond": 5}}
    limits.follow({"shop/web": service(rateLimit=asked)})
    before = limits.up
    limits.follow({"shop/web": service(rateLimit={"global": {**asked["global"], "server": "redis://other"}})})
    moved = limits.up
    limits.follow({"shop/web": service(rateLimit={"total": {"requestsPerSecond": 1}})})

    assert (before, moved, limits.up) == ({URL: False}, {"redis://other": False}, {})
