"""Routes of a node of several workers, as clients and endpoints see them."""

import http.client
import time

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


def names_of_servers(node, path, seconds):
    """Which server answered each request of a client that asks one after the other, on new connections."""
    names, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S)
        connection.request("GET", path, headers={"Host": "web.shop.mesh"})
        names.append(connection.getresponse().read().decode())
        connection.close()
    return names


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
            second = ("127.0.0.1", node.admin + 1)
            until(lambda: node.get("admin", "/readyz", second)[0] == 200, "both workers")
            began = time.monotonic()
            names = names_of_servers(node, "/trial", seconds)
            lasted = time.monotonic() - began

    tried = sum(name.startswith("new") for name in names)
    # A machine that is busy may send fewer than the rate at times; more is never allowed.
    assert min(RATE * lasted, len(names)) * 0.8 <= tried <= RATE * lasted + 1
