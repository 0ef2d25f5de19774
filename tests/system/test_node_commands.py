"""The commands that ask the running node: workers, watches, services."""

import json
import os
import re
import signal
import stat
from contextlib import contextmanager
from pathlib import Path

from tests.discovery.kube import own_policy_map
from tests.fakes.node import Gate, Node, command, policy, server, service, until
from tests.fakes.ports import free_port

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_status_and_services_are_shown_for_people_and_for_programs(folder):
    run_dir, config = folder.parent / "run", folder.parent / "node.yaml"
    config.write_text(f"run_dir: {run_dir}\n")
    where = ("--config", str(config))
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port))
        with Node(folder, "--workers", "2", *where) as node:
            assert node.get("web.shop.mesh") == (200, "one")
            until(lambda: node.metrics().count('status="200"} 1.0') == 1, "the report")
            until(lambda: "nodeproxy_table_age_seconds +Inf" not in node.metrics(), "the report of the other worker")
            status = json.loads(command("status", "--json", *where).stdout)
            services = json.loads(command("services", "--json", *where).stdout)
            tables = command("status", *where).stdout + command("services", *where).stdout
            mode = stat.S_IMODE(os.stat(run_dir / "control.sock").st_mode)
            pids = sorted(node.children()["worker"])

    assert [(each["number"], each["connected"]) for each in status["workers"]] == [(0, True), (1, True)]
    assert sorted(each["pid"] for each in status["workers"]) == pids
    assert status["table_age_s"] >= 0
    (web,) = services
    assert (web["namespace"], web["service"], web["port"]) == ("shop", "web", "80")
    assert (web["endpoints"], web["usable"], web["requests"], web["errors"]) == (1, 1, 1, 0)
    assert "web.shop" in tables and all(str(pid) in tables for pid in pids)
    assert mode == 0o600


def test_a_node_that_does_not_run_is_said_with_what_to_check(folder):
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder}\n")

    nowhere, not_set = command("status", "--config", str(config)), command("services")

    assert nowhere.returncode == not_set.returncode == 1
    assert f"{folder}/control.sock: " in nowhere.stderr and "check that nodeproxy runs" in nowhere.stderr
    assert "the setting run_dir" in not_set.stderr


@contextmanager
def running(folder, *flags):
    """A node that can be asked, and the function that asks it."""
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder.parent / 'run'}\n")
    where = ("--config", str(config))
    with Node(folder, *flags, *where) as node:
        yield node, lambda *words: command(*words, *where)


def test_the_endpoints_of_a_service_are_shown_with_their_state_in_every_worker(folder):
    gate, nowhere = Gate(), free_port()
    gate.sick = True
    with server("one") as one, server("sick", gate) as sick:
        (folder / "web.yaml").write_text(service("web", one, sick))
        (folder / "gone.yaml").write_text(service("gone", nowhere, cluster_ip="10.96.0.10"))
        (folder / "policy.yaml").write_text(
            policy(web__shop="healthCheck: {path: /healthz, interval: 100ms, timeout: 1m, unhealthyThreshold: 1}")
        )
        with running(folder, "--workers", "2") as (node, ask):
            until(lambda: ask("endpoints", "web.shop", "--json").stdout.count('"unhealthy":true') == 2, "the probes")
            assert {node.get("web.shop.mesh") for _ in range(4)} == {(200, "one")}
            until(lambda: '"requests":4' in ask("endpoints", "web.shop", "--json").stdout, "the reports")
            web = json.loads(endpoints(ask, "shop/web:80", "--json"))
            shown = endpoints(ask, "web.shop.mesh")
            node.get("gone.shop.mesh")
            gone = json.loads(endpoints(ask, "gone.shop", "--json"))

    (port,) = web["ports"]
    by_address = {each["address"]: each for each in port["endpoints"]}
    fit, unfit = by_address[f"127.0.0.1:{one}"], by_address[f"127.0.0.1:{sick}"]
    assert (web["workers"], web["silent"]) == ([0, 1], [])
    assert (fit["usable"], unfit["usable"], unfit["active"], unfit["idle"]) == (True, False, 0, 0)
    assert 1 <= fit["idle"] == sum(each["idle"] for each in fit["workers"]) <= 4
    assert "web.shop port 80, 4 requests" in shown and "unhealthy by probes" in shown and "worker 1" in shown
    ((ejected,),) = (each["endpoints"] for each in gone["ports"])
    assert sum(each["ejections"] for each in ejected["workers"]) >= 1


def endpoints(ask, *words):
    """What the command says once every worker has answered: one that has no core for two seconds is named instead."""
    said = []

    def of_all():
        said.append(ask("endpoints", *words).stdout)
        return "did not answer in time" not in said[-1] and '"silent":[' not in said[-1].replace('"silent":[]', "")

    until(of_all, "every worker to answer")
    return said[-1]


def test_a_worker_that_stands_still_is_named_and_the_others_answer(folder):
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        with running(folder, "--workers", "2") as (node, ask):
            until(lambda: "nodeproxy_workers 2.0" in node.metrics(), "both workers")
            pids = {each["number"]: each["pid"] for each in json.loads(ask("status", "--json").stdout)["workers"]}
            os.kill(pids[1], signal.SIGSTOP)
            try:
                until(lambda: f"127.0.0.1:{one}" in ask("endpoints", "web.shop").stdout, "the other worker to answer")
                done, status = ask("endpoints", "web.shop"), ask("status")
            finally:
                os.kill(pids[1], signal.SIGCONT)

    assert "worker 1 did not answer in time" in done.stdout
    assert "worker 1 did not answer in time" in status.stdout


def test_what_is_in_force_for_a_service_is_explained_with_where_it_is_written(folder):
    refused = own_policy_map("shop/teams", _default="retries: {attempts: many}")
    with server("one") as one:
        (folder / "web.yaml").write_text(service("web", one))
        (folder / "policy.yaml").write_text(policy(_default="timeouts: {request: 10s}"))
        (folder / "own.yaml").write_text(json.dumps(own_policy_map("shop/mesh", web="timeouts: {idle: 1m}")))
        (folder / "refused.yaml").write_text(json.dumps(refused))
        with running(folder) as (_, ask):
            told = json.loads(ask("explain", "shop/web", "--port", "80", "--json").stdout)
            shown = ask("explain", "web.shop").stdout
            unknown, port = ask("explain", "wep.shop"), ask("explain", "web.shop", "--port", "81")

    fields = {each["field"]: each for each in told["policies"][0]["fields"]}
    assert fields["request"] == {
        "field": "request",
        "value": "10s",
        "origin": "ConfigMap nodeproxy/nodeproxy-policy",
        "key": "_default",
        "layer": "mesh",
        "line": 1,
        "file": "policy.yaml",
    }
    assert (fields["idle"]["value"], fields["idle"]["origin"]) == ("1m", "ConfigMap shop/mesh")
    assert fields["connect"]["origin"] == "built-in default"
    assert [each["configmap"] for each in told["refused"]] == ["shop/teams"]
    assert re.search(r"idle +1m +ConfigMap shop/mesh in own\.yaml, key web line 1 \(service web\.shop\)", shown)
    assert "retries.attempts: expected a valid integer, got 'many'" in shown
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "there is no service wep in namespace shop in the mesh; close to it: web.shop\n",
    )
    assert (port.returncode, port.stderr) == (1, "web.shop has no port 81; it has 80\n")


def test_the_commands_of_the_readme_answer(folder):
    lines = re.findall(r"^    nodeproxy (status|services|endpoints|routes|explain)(.*?)  +#", README, re.MULTILINE)
    lines = [(name, rest) for name, rest in lines if "--node" not in rest]  # asks an API server
    values = {"SERVICE": "reviews.shop", "N": "80", "PORT": "80"}
    with server("one") as one:
        (folder / "web.yaml").write_text(service("reviews", one))
        with running(folder) as (_, ask):
            done = []
            for name, rest in lines:
                words = re.sub(r"[A-Z]+", lambda found: values[found[0]], re.sub(r"[\[\]]", "", rest)).split()
                done.append((name, ask(name, *words)))

    assert [name for name, _ in done] == ["status", "services", "endpoints", "explain", "explain", "routes"]
    assert {each.returncode for _, each in done} == {0}, [each.stderr for _, each in done]
