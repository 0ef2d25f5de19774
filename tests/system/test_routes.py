"""Routes of a node of several workers, as clients and endpoints see them."""

import http.client
import time
from itertools import pairwise

from tests.fakes.node import LIMIT_S, Node, policy, server, service, until

RATE = 20
TABLE = f"""
routes:
  - name: moved
    match: {{path: {{exact: /old}}}}
    redirect: {{path: {{full: /new}}, status: 301}}
  - name: v2
    match: {{path: {{prefix: /v2}}, headers: [{{name: x-beta, exact: "1"}}]}}
    split: [{{service: web-v2}}]
    headers: {{response: {{set: {{x-rule: v2}}}}}}
  - name: trial
    match: {{path: {{prefix: /trial}}}}
    canary: {{service: web-v2, requestsPerSecond: {RATE}}}
"""


def mesh_of(folder, old, new):
    (folder / "web.yaml").write_text(service("web", old))
    (folder / "web-v2.yaml").write_text(service("web-v2", new, cluster_ip="10.96.0.10"))
    (folder / "policy.yaml").write_text(policy(web__shop=TABLE))


def answers_of(node, path, seconds):
    """When each request of a client began and ended, and which server answered; one at a time, on new connections."""
    answers, end = [], time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S)
        connection.request("GET", path, headers={"Host": "web.shop.mesh"})
        name = connection.getresponse().read().decode()
        connection.close()
        answers.append((began, time.monotonic(), name))
    return answers


def test_a_rule_answers_or_sends_elsewhere_and_is_counted(folder):
    with server("old") as old, server("new") as new:
        mesh_of(folder, old, new)
        with Node(folder) as node:
            moved = node.get("web.shop.mesh", "/old")
            plain = node.get("web.shop.mesh", "/v2/x")
            beta = node.get("web.shop.mesh", "/v2/x", headers={"x-beta": "1"})

            def counted():
                return [line for line in node.metrics().splitlines() if 'policy="routes"' in line]

            until(lambda: any('outcome="v2"' in line for line in counted()), "the decision in the metrics")

    assert moved[0] == 301
    assert plain[1].startswith("old") and beta[1].startswith("new")


def test_a_canary_has_its_rate_whatever_the_worker(folder):
    seconds = 3.0
    with server("old") as old, server("new") as new:
        mesh_of(folder, old, new)
        with Node(folder, "--workers", "2") as node:
            until(lambda: node.is_ready(worker=1), "both workers")
            answers = answers_of(node, "/trial", seconds)

    tried = sum(name.startswith("new") for *_, name in answers)
    lasted = answers[-1][1] - answers[0][0]
    # While a busy machine lets no request reach the rule for longer than an interval of the rate, its tokens are lost.
    gaps = [ended - began for (began, *_), (_, ended, _) in pairwise(answers)]
    lost = sum(gap for gap in gaps if gap > 1 / RATE)
    assert RATE * (lasted - lost) - 2 <= tried <= RATE * lasted + 1
