"""A whole node, real servers behind it: names, changes, policies, probes, the access log."""

import http.client
import json
import socket

import dns.message
import dns.query

from tests.discovery.kube import own_policy_map
from tests.fakes.node import LIMIT_S, Gate, Node, free_port, policy, server, service, until


def test_a_request_by_every_kind_of_name_reaches_the_service(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port, port=8080))
        with Node(folder) as node:
            by_host = node.get("web.shop.mesh")
            with_port = node.get("WEB.shop.mesh.:8080")
            by_cluster_name = node.get("web.shop.svc.cluster.local")
            by_target = node.get("elsewhere", "http://web.shop.mesh/x")
            by_header = node.get("elsewhere", headers={"x-mesh-service": "web.shop.mesh"})
            by_address = node.get("anything", address=("127.77.0.9", 8080))
            labels = 'namespace="shop",port="8080",protocol="http1",reason="",service="web"'
            counted = (
                f'nodeproxy_requests_total{{{labels},source_namespace="",source_workload="node",status="200"}} 6.0'
            )
            until(lambda: counted in node.metrics(), "the report")

    assert {by_host, with_port, by_cluster_name, by_target, by_header, by_address} == {(200, "one")}


def test_a_changed_file_is_in_force_and_a_bad_one_changes_nothing(folder):
    with server("one") as one, server("two") as two:
        (folder / "web.yaml").write_text(service("web", one))
        with Node(folder) as node:
            first = node.get("web.shop.mesh")
            (folder / "web.yaml").write_text(service("web", two))
            until(lambda: node.answers("web.shop.mesh", 200, "two"), "the second endpoint")
            (folder / "web.yaml").write_text("kind: [Service")
            until(lambda: "web.yaml" in node.log.read_text(), "a word about the bad file")
            last = node.get("web.shop.mesh")

    assert first == (200, "one") and last == (200, "two")


def test_a_policy_table_is_in_force(folder):
    gate = Gate()
    with server("one", gate) as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop="timeouts: {request: 200ms}"))
        with Node(folder) as node:
            status, body = node.get("web.shop.mesh", "/slow")
            gate.go.set()

    assert status == 504 and "timeout" in body


def test_a_policy_map_of_a_namespace_is_in_force_and_metrics_say_whether_all_of_it_is(folder):
    gate = Gate()
    with server("one", gate) as port:
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "policy.yaml").write_text(policy(web__shop="timeouts: {request: 60s}"))
        (folder / "own.yaml").write_text(json.dumps(own_policy_map("shop/mesh", web="timeouts: {request: 200ms}")))
        with Node(folder) as node:
            until(
                lambda: 'policy_accepted{configmap="mesh",namespace="shop"} 1.0' in node.metrics(), "the first report"
            )
            before = node.metrics()
            broken = own_policy_map("shop/mesh", web="timeouts: {request: soon}")
            (folder / "own.yaml").write_text(json.dumps(broken))
            refused = 'nodeproxy_policy_accepted{configmap="mesh",namespace="shop"} 0.0'
            until(lambda: refused in node.metrics(), "the refusal")
            status, body = node.get("web.shop.mesh", "/slow")
            gate.go.set()

    assert status == 504 and "timeout" in body
    assert 'nodeproxy_policy_accepted{configmap="nodeproxy-policy",namespace="nodeproxy"} 1.0' in before


def test_a_sick_endpoint_gets_no_requests_while_its_probes_fail(folder):
    gate = Gate()
    with server("sick", gate) as sick, server("fit") as fit:
        gate.sick = True
        (folder / "web.yaml").write_text(service("web", sick, fit))
        (folder / "policy.yaml").write_text(
            policy(web__shop="healthCheck: {path: /healthz, interval: 100ms, timeout: 1m, unhealthyThreshold: 1}")
        )
        with Node(folder) as node:
            usable = 'nodeproxy_endpoints{namespace="shop",port="80",service="web",state="usable"} %s.0'
            until(lambda: usable % 1 in node.metrics(), "the sick endpoint to be found")
            answers = {node.get("web.shop.mesh") for _ in range(20)}
            gate.sick = False
            until(lambda: usable % 2 in node.metrics(), "the endpoint to be well again")

    assert answers == {(200, "fit")}


def test_a_port_that_is_not_http_is_probed_by_connecting_alone(folder):
    gate = Gate()
    with server("sick", gate) as sick, socket.create_server(("127.0.0.1", 0)) as other:
        gate.sick = True
        other.setblocking(False)
        (folder / "web.yaml").write_text(service("web", sick))
        (folder / "db.yaml").write_text(service("db", other.getsockname()[1]).replace('"http"', '"tcp-db"'))
        check = "healthCheck: {path: /healthz, interval: 100ms, unhealthyThreshold: 10}"
        (folder / "policy.yaml").write_text(policy(web__shop=check, db__shop=check))
        with Node(folder) as node:
            unusable = 'nodeproxy_endpoints{namespace="shop",port="80",service="web",state="usable"} 0.0'
            until(lambda: unusable in node.metrics(), "ten probes")

        probe, _address = other.accept()
        with probe:
            assert probe.recv(1) == b""  # it came, and went without a byte


def test_the_access_log_has_a_line_per_request_that_no_client_can_break(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--access-log", "json") as node:
            node.get("web.shop.mesh", '/"quoted"')
            node.get("nobody.shop.mesh")
            until(lambda: node.log.read_text().count('"seconds"') == 2, "two lines")
            lines = [json.loads(line) for line in node.log.read_text().splitlines() if '"seconds"' in line]

    assert [(line["target"], line["status"], line["reason"]) for line in lines] == [
        ('/"quoted"', 200, ""),
        ("/", 404, "unknown-service"),
    ]


def test_a_name_resolves_to_the_address_where_its_service_answers(folder):
    port = free_port()
    with server("one") as target:
        (folder / "web.yaml").write_text(service("web", target))
        with Node(folder, "--dns", f"127.0.0.1:{port}", "--workers", "2") as node:
            answer = dns.query.udp(dns.message.make_query("web.shop.mesh", "A"), "127.0.0.1", LIMIT_S, port)
            served = node.get("whoever", address=(str(answer.answer[0][0]), 80))

    assert served == (200, "one")


def test_a_client_that_tunnels_reaches_the_service_and_nothing_else(folder):
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port, port=8080))
        with Node(folder) as node:
            tunnel = http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S)
            tunnel.set_tunnel("web.shop.mesh", 8080)
            answers = []
            for _ in range(2):
                tunnel.request("GET", "/")
                answers.append(tunnel.getresponse().read())
            tunnel.close()
            refused = [
                tunnel_refusal(node.port, "127.0.0.1", port),
                tunnel_refusal(node.port, "web.shop.mesh", 443),
                tunnel_refusal(node.admin, "web.shop.mesh", 8080),
            ]
            until(lambda: "nodeproxy_connect_requests_total 1.0" in node.metrics(), "the report")

    assert answers == [b"one", b"one"]
    assert refused == ["Tunnel connection failed: 403 Forbidden"] * 2 + [
        "Tunnel connection failed: 501 Not Implemented"
    ]


def tunnel_refusal(proxy, host, port):
    connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=LIMIT_S)
    connection.set_tunnel(host, port)
    try:
        connection.request("GET", "/")
    except OSError as error:
        return str(error)
    finally:
        connection.close()
