"""A limit of the cluster: two nodes, each with two workers, and a real server that is killed and comes back."""

import json
import os
import re
import shutil
import signal
import threading
from contextlib import contextmanager

import pytest

from tests.fakes.node import Node, policy, server, service, until
from tests.fakes.redis import Redis
from tests.system.test_limits import load, most_over

RATE, BURST = 40, 20
LEASE = RATE * 0.25 + 2  # a quarter of a second, and one request of each node
ANSWERS, MISSED = "limit server answers", "limit server does not answer"  # in the log of a node


def node(folder, name):
    """One with two workers, which serve no virtual addresses: two nodes of one machine would share them."""
    return Node(folder, "--workers", "2", virtual_addresses="false", node_name=name)


@contextmanager
def two_nodes(folder, redis, **more):
    """Two nodes in front of one endpoint, once the server of the limit has heard both."""
    table = json.dumps({"server": redis.url, "requestsPerSecond": RATE, "burst": BURST, **more})
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop=f"rateLimit: {{global: {table}}}"))
        copy = shutil.copytree(folder, folder.parent / "second" / "mesh")
        with node(folder, "a") as one, node(copy, "b") as two:
            yield one, two


def up(*nodes):
    """Whether each node reports that the server answers."""
    return [float(line.rpartition(" ")[2]) for node in nodes for line in node.metrics().splitlines()
            if line.startswith("nodeproxy_limit_server_up{")]  # fmt: skip


def both_load(nodes, seconds):
    """When requests passed at either node, as `load`, and how many were refused."""
    results = []
    threads = [threading.Thread(target=lambda node=node: results.append(load(node, 3, seconds))) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [each for passed, _ in results for each in passed], sum(refused for _, refused in results)


def missed(nodes):
    """How often each node has told that the server does not answer."""
    return [len(re.findall(MISSED, node.log.read_text())) for node in nodes]


def leased_load(nodes, redis, seconds, killed=False):
    """`both_load` with the server, which is killed meanwhile if so.

    The server has a quarter of a second for an answer. On a machine that is too busy for that, a node counts by its
    share for a moment, as its log tells: that load says nothing of leases, and another one is measured.
    """
    found = []

    def measured():
        until(lambda: up(*nodes) == [1, 1], "both to have heard the server")
        before, killing = missed(nodes), threading.Timer(1.0, redis.kill)
        if killed:
            killing.start()
        found[:] = both_load(nodes, seconds)
        if killed:
            killing.join()
            until(lambda: up(*nodes) == [0, 0], "both to have missed the server")
        if missed(nodes) == [each + killed for each in before]:
            return True
        if killed:
            redis.start()
        return False

    until(measured, "a load with a server that answers in time")
    return found


def test_two_nodes_share_one_limit_and_go_on_with_their_shares_while_the_server_is_gone(folder):
    with Redis() as redis, two_nodes(folder, redis) as nodes:
        together, refused = leased_load(nodes, redis, 3.0)
        across, _ = leased_load(nodes, redis, 3.0, killed=True)
        alone, refused_alone = both_load(nodes, 3.0)
        redis.start()
        again, _ = leased_load(nodes, redis, 2.0)
        told = re.findall(f"{ANSWERS}|{MISSED}", nodes[0].log.read_text())

    assert refused > 0 and refused_alone > 0
    assert len(together) > BURST + RATE and len(alone) > BURST
    assert most_over(together, RATE, BURST) <= LEASE
    assert most_over(across, RATE, BURST) <= LEASE + BURST / 2  # a node that had less than its share has all of it
    assert most_over(alone, RATE, BURST) <= 0
    assert most_over(again, RATE, BURST) <= LEASE
    assert told == [ANSWERS, MISSED] * (len(told) // 2) + [ANSWERS]  # each change, and nothing else


@pytest.mark.parametrize("fail_open", [True, False])
def test_a_policy_says_what_happens_without_its_server(folder, fail_open):
    redis = Redis()
    with two_nodes(folder, redis, failOpen=fail_open) as nodes:
        until(lambda: up(*nodes) == [0, 0], "both to have missed the server")
        answer = nodes[0].get("web.shop.mesh")[0]

    assert answer == (200 if fail_open else 429)


def test_a_limit_stays_used_up_while_the_control_process_is_killed_and_back(folder):
    with Redis() as redis, two_nodes(folder, redis, requestsPerSecond=0.001, burst=4) as (one, _):
        until(lambda: up(one) == [1], "the server to have been heard")
        until(lambda: all(one.get("web.shop.mesh")[0] == 429 for _ in range(200)), "the limit to be used up")
        (victim,) = one.children()["discovery"]
        os.kill(victim, signal.SIGKILL)
        meanwhile = [one.get("web.shop.mesh")[0] for _ in range(20)]
        until(lambda: one.children().get("discovery", [victim]) != [victim] and up(one) == [1], "a new one")
        after = [one.get("web.shop.mesh")[0] for _ in range(20)]

    assert (meanwhile, after) == ([429] * 20, [429] * 20)
