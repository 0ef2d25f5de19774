"""`nodeproxy diagnose` on a real node: every breakage is made on purpose, and is to be named right."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus

import pytest

from tests.fakes import dns
from tests.fakes.failing import failing
from tests.fakes.node import Gate, Node, command, policy, server, service, until
from tests.fakes.ports import free_port
from tests.fakes.unreachable import dropping

POLICY = {
    "sick": "healthCheck: {path: /healthz, interval: 100ms, timeout: 1m, unhealthyThreshold: 1}",
    "ejected": "outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 5m, maxEjectionPercent: 100}",
    "limited": "rateLimit: {requestsPerSecond: 0.001, burst: 1}",
    "open": "circuitBreaker: {minimumRequests: 1, failureRatio: 0.1, openDuration: 5m, window: 1h}",
    "refused": "retries: {attempts: many}",
    "split": "split: [{service: web, weight: 9}, {service: nowhere}]",
}


def unready(name, port):
    return service(name, port).replace(
        '{"addresses": ["127.0.0.1"]}', '{"addresses": ["127.0.0.1"], "conditions": {"ready": false}}'
    )


@contextmanager
def running(folder, *flags, **settings):
    """A node, and the function that diagnoses a name on it: its exit status, and the diagnosis."""
    listen, config = free_port(), folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder.parent / 'run'}\nlisten: 127.0.0.1:{listen}\n")
    where = ("--config", str(config))

    def diagnose(*words):
        done = command("diagnose", *words, "--json", *where)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    with Node(folder, "--listen", f"127.0.0.1:{listen}", *flags, *where, **settings) as node:
        node.port = listen
        yield node, diagnose


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """A node with one healthy service, and one for each breakage."""
    folder = tmp_path_factory.mktemp("diagnose") / "mesh"
    folder.mkdir()
    gate = Gate()
    gate.sick = True
    with ExitStack() as stack:
        web, sick = stack.enter_context(server("web")), stack.enter_context(server("sick", gate))
        bad = stack.enter_context(failing(HTTPStatus.INTERNAL_SERVER_ERROR))
        targets = {
            "web": web, "sick": sick, "ejected": bad, "open": bad, "failing": bad, "limited": web, "refused": web,
            "split": web, "dead": free_port(), "dropped": stack.enter_context(dropping()),
        }  # fmt: skip
        for index, (name, target) in enumerate(targets.items()):
            (folder / f"{name}.yaml").write_text(service(name, target, cluster_ip=f"10.96.1.{index + 1}"))
        (folder / "unready.yaml").write_text(unready("unready", web).replace("10.96.0.9", "10.96.2.1"))
        (folder / "alone.yaml").write_text(service("alone", cluster_ip="10.96.2.2"))
        (folder / "db.yaml").write_text(
            service("db", web, cluster_ip="10.96.2.3", port=5432).replace('"http"', '"sql"')
        )
        (folder / "policy.yaml").write_text(policy(**{f"{name}__shop": text for name, text in POLICY.items()}))
        yield stack.enter_context(running(folder))


def test_a_healthy_service_is_said_to_be_healthy_with_the_response(mesh):
    _, diagnose = mesh

    status, found = diagnose("web.shop")

    assert (status, found["healthy"]) == (0, True)
    assert found["sentence"].startswith("web.shop is healthy: GET / got 200 after ")
    assert [step["name"] for step in found["steps"] if step["state"] == "ok"] == [
        "node", "name", "address", "table", "policy", "endpoints", "reached", "in use", "request",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "step", "found", "cure"),
    [
        (
            "wep.shop",
            "name",
            "there is no service wep in namespace shop in the mesh; close to it: web.shop",
            "kubectl get services",
        ),
        (
            "web.shup",
            "name",
            "there is no namespace shup with a service in it; close to it: web.shop",
            "there are shop",
        ),
        ("web.shop:81", "name", "web.shop has no port 81; it has 80", "add it to the Service"),
        ("http://db.shop.mesh:5432/", "name", "port 5432 speaks TCP that is not HTTP", "set its appProtocol to http"),
        (
            "alone.shop",
            "endpoints",
            "alone.shop has no EndpointSlice, so its selector matches no pod",
            "labels of the pods",
        ),
        ("unready.shop", "endpoints", "none of the 1 endpoints of unready.shop is ready", "readiness probes"),
        (
            "dead.shop",
            "reached",
            "1 of 1 endpoints of dead.shop cannot be reached",
            "nothing listens there: compare the Service's targetPort",
        ),
        ("dropped.shop", "reached", "do not answer a connection", "check NetworkPolicies"),
        (
            "refused.shop",
            "policy",
            "retries.attempts: expected a valid integer, got 'many'",
            "correct the ConfigMap nodeproxy/nodeproxy-policy",
        ),
        (
            "split.shop",
            "policy",
            "split.targets[1].service: there is no service nowhere.shop in the mesh",
            "correct the place in the policy",
        ),
        ("failing.shop", "request", "an endpoint of failing.shop answers GET / with 500 itself", "log of the endpoint"),
    ],
)
def test_what_is_broken_is_named_with_the_cure(mesh, name, step, found, cure):
    _, diagnose = mesh

    status, said = diagnose(name)

    (first, *_) = [
        each for each in said["steps"] if each["state"] == "broken" and said["sentence"].startswith(each["text"])
    ]
    assert (status, said["healthy"], first["name"]) == (1, False, step), said["sentence"]
    assert found in said["sentence"] and cure in said["sentence"], said["sentence"]


def test_a_service_whose_probes_fail_is_out_of_use(mesh):
    _, diagnose = mesh
    until(lambda: diagnose("sick.shop")[1]["steps"][9]["state"] == "broken", "the probes")

    status, said = diagnose("sick.shop")

    assert status == 1
    assert "all of 1 endpoints are ejected: 127.0.0.1:" in said["sentence"]
    assert "(its health probes fail); see what the endpoint answers to the path of healthCheck" in said["sentence"]


def test_a_service_whose_endpoints_are_all_ejected_is_said_with_why(mesh):
    node, diagnose = mesh
    node.get("ejected.shop.mesh")

    status, said = diagnose("ejected.shop")

    assert status == 1
    assert "all of 1 endpoints are ejected" in said["sentence"] and "consecutive-5xx" in said["sentence"]


def test_a_used_up_rate_limit_is_named(mesh):
    node, diagnose = mesh
    node.get("limited.shop.mesh")

    status, said = diagnose("limited.shop")

    assert status == 1
    assert said["sentence"] == (
        "the mesh refuses GET / to limited.shop with 429: its policy rateLimit allows no more requests now;"
        " raise the limit, or send less"
    )


def test_an_open_circuit_is_named(mesh):
    node, diagnose = mesh
    until(lambda: node.get("open.shop.mesh")[0] == 503, "the circuit to open")

    status, said = diagnose("open.shop")

    assert status == 1
    assert "the circuit of its policy circuitBreaker is open" in said["sentence"]


def test_a_port_of_tcp_is_healthy_when_a_connection_to_it_stays_open(mesh):
    _, diagnose = mesh

    status, said = diagnose("db.shop")

    assert status == 0, said["sentence"]
    assert "db.shop is healthy: a connection to 127.77.2.3:5432 is open" in said["sentence"]


def test_a_cluster_dns_that_does_not_forward_the_zone_is_named(folder):
    zone, port = dns.Zone(), free_port()
    with server("web") as web, dns.serving(zone):
        (folder / "web.yaml").write_text(service("web", web))
        of_dns = service("kube-dns", cluster_ip="127.0.0.1", port=zone.port).replace("shop", "kube-system")
        (folder / "dns.yaml").write_text(of_dns.replace('"name": "http"', '"name": "dns", "protocol": "UDP"'))
        with running(folder, dns=f"127.0.0.1:{port}") as (_, diagnose):
            status, said = diagnose("web.shop")
            zone.records["web.shop.mesh"] = [("A", 60, "127.77.0.9")]
            cured = diagnose("web.shop")

    assert status == 1
    assert f"the cluster DNS 127.0.0.1:{zone.port} answers NXDOMAIN without an address" in said["sentence"]
    assert "it does not forward the zone mesh to this node; `nodeproxy cluster-dns show" in said["sentence"]
    assert cured[0] == 0, cured


def test_an_address_that_is_not_local_is_named_with_the_command_that_makes_it_so(folder):
    with server("web") as web:
        (folder / "web.yaml").write_text(service("web", web))
        with running(folder, mesh_range="240.77.0.0/16", headless_range="240.78.0.0/16") as (_, diagnose):
            status, said = diagnose("web.shop")

    assert status == 1
    assert "240.77.0.9 is not an address of this node" in said["sentence"] and "`nodeproxy net up`" in said["sentence"]


def test_a_node_that_cannot_be_asked_is_another_exit_status(folder):
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder}\n")

    done = command("diagnose", "web.shop", "--config", str(config))

    assert (done.returncode, done.stdout) == (2, "")
    assert "check that nodeproxy runs" in done.stderr


def test_an_unreachable_api_server_is_named_while_the_last_good_state_serves(folder):
    state, nowhere = folder.parent / "state", free_port()
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{nowhere}"}}
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [cluster],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
    }  # fmt: skip
    (folder.parent / "kubeconfig").write_text(json.dumps(kubeconfig))
    with server("web") as web:
        (folder / "web.yaml").write_text(service("web", web))
        with running(folder, state_file=str(state)):
            until(state.exists, "the state")
        with running(folder, "--discovery", f"kube:{folder.parent / 'kubeconfig'}", state_file=str(state)) as (_, ask):
            known, unknown = ask("web.shop"), ask("wep.shop")

    assert known[0] == unknown[0] == 1
    assert "the source has not been in sync since the start, the last good state is in force" in known[1]["sentence"]
    assert "check that the API server is reachable" in known[1]["sentence"]
    assert "in the last good state, which is in force" in unknown[1]["sentence"]


def test_a_full_connection_pool_is_named(folder):
    gate = Gate()
    with server("web", gate) as web, ThreadPoolExecutor(1) as pool:
        (folder / "web.yaml").write_text(service("web", web))
        written = "connectionPool: {maxRequests: 1, maxPendingRequests: 0}"
        (folder / "policy.yaml").write_text(policy(web__shop=written))
        with running(folder) as (node, diagnose):
            slow = pool.submit(node.get, "web.shop.mesh", "/slow")
            gate.arrived.wait()
            try:
                status, said = diagnose("web.shop")
            finally:
                gate.go.set()
            assert slow.result()[0] == 200

    assert status == 1
    assert "its policy connectionPool allows no more connections or requests" in said["sentence"]
