"""Custom policies, made by `nodeproxy new-policy`, installed, and in force in a node: good ones and bad ones."""

import http.client
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from tests.fakes.node import COMMAND_LIMIT_S, LIMIT_S, Node, environment, policy, server, service, until
from tests.fakes.packages import example, install, made, run_tests_of

BAD = '''
"""`{name}`: makes a mistake where the path asks for it."""

import time

from nodeproxy.policies.block import Policy, PolicySettings


class BadSettings(PolicySettings):
    """Has nothing to set."""


def on_request(exchange, settings):
    path = exchange.request.path
    if path == b"/raise":
        raise RuntimeError("a bug")
    if path == b"/nonsense":
        return "403 Forbidden"
    if path in (b"/loop", b"/block"):
        print("{name} has begun", flush=True)
    while path == b"/loop":
        pass
    if path == b"/block":
        time.sleep(3600)


POLICY = Policy("{name}", BadSettings, on_request=on_request)
'''
NAMES = "requireTenant,pause,bad"
TABLES = {
    "tenants.shop": "requireTenant: {tenants: [blue]}",
    "bad.shop": "bad: {}",
    "pause.shop": "pause: {for: 1ms}",
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Three packages, and the folder that they are installed in."""
    home = tmp_path_factory.mktemp("packages")
    (home / "source").mkdir()
    names = ("nodeproxy_require_tenant.py", "test_nodeproxy_require_tenant.py", "nodeproxy_pause.py")
    module, test, pause = map(example, names)
    folders = (
        made("requireTenant", home / "source", module, test),
        made("pause", home / "source", pause),
        made("bad", home / "source", BAD.format(name="bad")),
    )
    install(home / "installed", *folders)
    return SimpleNamespace(path=str(home / "installed"), tenant=folders[0])


@pytest.fixture
def mesh(folder):
    """Four services over one server, three of which have a custom policy."""
    with server("one") as port:
        for number, name in enumerate(("web", "tenants", "bad", "pause")):
            (folder / f"{name}.yaml").write_text(service(name, port, cluster_ip=f"10.96.0.{20 + number}"))
        (folder / "policy.yaml").write_text(policy(**TABLES))
        yield folder


def nodeproxy(packages, *words, **settings):
    """A finished command, with these settings."""
    variables = {**environment(**settings), "PYTHONPATH": packages.path}
    return subprocess.run(
        [sys.executable, "-m", "nodeproxy", *words], env=variables, capture_output=True, text=True,
        timeout=COMMAND_LIMIT_S, check=False,
    )  # fmt: skip


def answer(node, host, path="/", **fields):
    """Status, reason and the response's tenant."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S)
    try:
        connection.request("GET", path, headers={"Host": host, **fields})
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["x-mesh-error"], response.headers["x-tenant"]
    finally:
        connection.close()


def test_the_page_says_what_works(packages):
    done = run_tests_of(packages.tenant)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_a_package_that_was_just_made_passes_its_own_test(tmp_path):
    done = run_tests_of(made("freshOne", tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_it_is_in_force_by_a_table_and_measured(mesh, packages):
    with Node(mesh, python_path=packages.path, own_policies=NAMES) as node:
        refused = answer(node, "tenants.shop.mesh")
        allowed = answer(node, "tenants.shop.mesh", **{"x-tenant": "blue"})
        paused, without = answer(node, "pause.shop.mesh"), answer(node, "web.shop.mesh")
        (mesh / "policy.yaml").write_text(policy(**{**TABLES, "tenants.shop": "requireTenant: {tenants: [green]}"}))
        until(lambda: answer(node, "tenants.shop.mesh", **{"x-tenant": "green"})[0] == 200, "the update")
        expected = (
            'nodeproxy_own_policy_calls_total{namespace="shop",policy="pause"',
            'nodeproxy_own_policy_seconds_total{namespace="shop",policy="requireTenant",port="80"',
            'policy="requireTenant",port="80",service="tenants"} ',
            'reason="no-tenant"',
        )
        until(lambda: [text for text in expected if text not in node.metrics()] == [], "the metrics of both policies")

    assert (refused, allowed) == ((403, "no-tenant", "none"), (200, None, "blue"))
    assert (paused, without) == ((200, None, None), (200, None, None))


@pytest.mark.parametrize("path", ["/raise", "/nonsense"])
def test_a_mistake_ends_its_own_request_and_no_other(mesh, packages, path):
    with Node(mesh, python_path=packages.path, own_policies=NAMES) as node:
        workers = node.children()["worker"]
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=LIMIT_S)
        seen = []
        for each in ("/", path, "/", path, "/"):
            connection.request("GET", each, headers={"Host": "bad.shop.mesh"})
            response = connection.getresponse()
            seen.append((response.status, response.headers["x-mesh-error"], b"a bug" in response.read()))
        connection.close()
        others = [answer(node, "web.shop.mesh")[0] for _ in range(5)]
        after = node.children()["worker"]

    good, bad = (200, None, False), (500, "policy-failed:bad", False)
    assert seen == [good, bad, good, bad, good]
    assert others == [200] * 5 and after == workers
    log = node.log.read_text()
    assert log.count("a custom policy failed") == 1 and 'policy="bad" where="on_request"' in log
    assert ("RuntimeError: a bug" if path == "/raise" else "TypeError: it returned a str, not a Response") in log


@pytest.mark.parametrize("path", ["/loop", "/block"])
def test_a_call_that_does_not_return_costs_its_worker_and_new_requests_are_all_answered(mesh, packages, path):
    with Node(mesh, "--workers", "2", python_path=packages.path, own_policies=NAMES, own_policy_limit_s="0.5") as node:
        until(lambda: node.is_ready(worker=1), "both workers")
        before = set(node.children()["worker"])
        endings, others = [], []
        stuck = threading.Thread(target=lambda: endings.append(ended(node, path)))
        stuck.start()
        until(lambda: "bad has begun" in node.log.read_text(), "a worker in the policy")
        threads = [threading.Thread(target=lambda: others.append(answer(node, "web.shop.mesh"))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in (stuck, *threads):
            thread.join(LIMIT_S)
        until(lambda: len(set(node.children().get("worker", ())) - before) == 1, "a new worker")
        stayed = set(node.children()["worker"]) & before
        log = node.log.read_text()

    assert endings == ["closed"]
    assert others == [(200, None, None)] * 16
    assert len(stayed) == 1
    assert "a custom policy did not return; the worker is replaced" in log and 'policy="bad"' in log


def ended(node, path):
    """How a request to the bad policy ended."""
    try:
        return answer(node, "bad.shop.mesh", path)
    except (OSError, http.client.HTTPException):
        return "closed"


def test_a_node_with_a_package_that_is_missing_does_not_start_and_says_why(mesh, packages):
    done = nodeproxy(packages, "run", "--discovery", f"files:{mesh}", own_policies="absent")

    assert done.returncode == 2
    assert done.stderr == (
        "own_policies: absent: no installed package has it (installed: bad, pause, requireTenant); install it where"
        " nodeproxy is: docs/write-a-policy.md\n"
    )


def test_a_package_that_is_not_named_has_no_effect(mesh, packages):
    with Node(mesh, python_path=packages.path) as node:
        found = answer(node, "bad.shop.mesh", "/raise")

    assert found == (200, None, None)
    assert "bad: no such policy" in node.log.read_text()


def test_the_commands_know_it_where_it_is_named(mesh, packages, tmp_path):
    run_dir = str(tmp_path / "run")
    page = nodeproxy(packages, "policies", "requireTenant", own_policies=NAMES)
    checked = nodeproxy(packages, "check", str(mesh), own_policies=NAMES)
    absent = nodeproxy(packages, "check", str(mesh), own_policies="absent")
    with Node(mesh, python_path=packages.path, own_policies=NAMES, run_dir=run_dir):
        explained = nodeproxy(packages, "explain", "tenants.shop", run_dir=run_dir)

    assert "Requests without a known tenant" in page.stdout and "Those that may call the service." in page.stdout
    assert checked.returncode == 0 and "0 errors" in checked.stdout
    assert absent.returncode == 2 and absent.stderr.startswith("own_policies: absent: no installed package has it")
    assert "requireTenant" in explained.stdout and "tenants.shop" in explained.stdout, explained.stderr
