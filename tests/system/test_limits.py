"""A limit of a node of several workers, as clients and endpoints see it."""

import http.client
import os
import signal
import threading
import time

from tests.fakes.node import LIMIT_S, Node, policy, server, service, until


def ask(node, seconds, statuses):
    """Send requests one after another, each on a connection of its own: either worker may have it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S)
        began = time.monotonic()
        connection.request("GET", "/", headers={"Host": "web.shop.mesh"})
        answer = connection.getresponse()
        answer.read()
        statuses.append((began, time.monotonic(), answer.status))
        connection.close()


def load(node, clients, seconds):
    """When each request that passed began and had its answer, and how many were refused."""
    statuses = []
    threads = [threading.Thread(target=ask, args=(node, seconds, statuses)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = [(began, ended) for began, ended, status in statuses if status == 200]
    return passed, sum(status == 429 for *_, status in statuses)


def most_over(passed, rate, burst):
    """By how many requests the limit was exceeded in the worst window; less than 0: never.

    A request passed at some time between its beginning and its answer, so those of which both are in a window passed in
    it, however slow the machine is.
    """
    worst = float("-inf")
    for since, _ in passed:
        ends = sorted(ended for began, ended in passed if began >= since)
        worst = max(worst, *(count - (ended - since) * rate - burst for count, ended in enumerate(ends, 1)))
    return worst


def test_two_workers_together_let_no_more_through_than_the_limit(folder):
    rate, burst = 40, 20
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(
            policy(web__shop=f"rateLimit: {{requestsPerSecond: {rate}, burst: {burst}}}")
        )
        with Node(folder, "--workers", "2") as node:
            until(lambda: node.is_ready(worker=1), "both workers")
            passed, refused = load(node, clients=4, seconds=2.0)

    assert refused > 0 and len(passed) > burst
    assert most_over(passed, rate, burst) <= 0


def test_a_killed_worker_gives_nothing_back(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop="rateLimit: {requestsPerSecond: 0.001, burst: 5}"))
        with Node(folder) as node:
            before = [node.get("web.shop.mesh")[0] for _ in range(4)]
            (victim,) = node.children()["worker"]
            os.kill(victim, signal.SIGKILL)
            until(lambda: node.children().get("worker", [victim]) != [victim], "a new worker")
            after = [node.get("web.shop.mesh")[0] for _ in range(2)]

    assert (before, after) == ([200] * 4, [200, 429])
