"""The DaemonSet on a real cluster of two nodes, called by pods of both under load, whatever happens to the mesh."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster import pods
from tests.cluster.control_plane import ADMIN
from tests.cluster.mesh import NOBODY, failed
from tests.cluster.pods import PYTHON
from tests.fakes.node import command

WORKER = """
import os, signal
for pid in open("/proc/1/task/1/children").read().split():
    if open(f"/proc/{pid}/comm").read().startswith("worker"):
        os.kill(int(pid), signal.SIGKILL)
"""


THREADS = 2  # of a load program, each with one request at a time


def test_the_image_is_small(nodes):
    # its base included, nothing compressed; 13 MB of it is cryptography, for the admission webhook alone, and 11 MB are
    # what is compiled of the hot lane
    assert nodes.image_bytes < 220_000_000


def test_a_client_is_served_by_its_own_node_and_every_endpoint_has_its_share(mesh):
    web = {each["metadata"]["name"]: each["spec"]["nodeName"] for each in mesh.nodes.pods("web", "shop")}
    assert Counter(web.values()) == {"n1": 2, "n2": 2}

    for name, node in mesh.nodes.nodes.items():
        said = mesh.call(name, 200)

        own = {node.cable.address, node.gateway}  # as a pod elsewhere sees the node, and one of its own
        assert {each["peer"] for each in said} == own
        assert {each["forwarded_for"] for each in said} == {mesh.clients[name]["status"]["podIP"]}
        shares = Counter(each["pod"] for each in said)
        assert shares.keys() == web.keys() and min(shares.values()) >= 25


def test_each_node_is_diagnosed_through_the_api_server(mesh):
    account = ("--kubeconfig", str(mesh.nodes.plane.kubeconfig(ADMIN)))
    for name in mesh.nodes.nodes:
        mesh.call(name, 5)

        done = command("diagnose", "web.shop", "--from", "callers/client", "--node", name, "--json", *account)
        wrong = command("diagnose", "wep.shop", "--node", name, *account)

        found = json.loads(done.stdout)
        steps = {step["name"]: step["state"] for step in found["steps"]}
        assert (done.returncode, set(steps.values())) == (0, {"ok"}), found["sentence"]
        assert wrong.returncode == 1 and "close to it: web.shop" in wrong.stdout


def in_pods(*words):
    """Whether a pod runs `nodeproxy` with these words for a live command elsewhere."""
    wanted = [b"nodeproxy", *map(str.encode, words)]

    def line(entry):
        try:
            return (entry / "cmdline").read_bytes().split(b"\0")[:-1]
        except OSError:  # it has ended
            return []

    lines = [[Path(os.fsdecode(each)).name.encode() for each in line(entry)] for entry in Path("/proc").glob("[0-9]*")]
    return any(
        wanted == each[at : at + len(wanted)] and b"--until-stdin-ends" in each
        for each in lines
        for at in range(len(each))
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("words", [("tap", "web.shop"), ("top", "--interval=0.7")], ids=["tap", "top"])
def test_a_live_command_ends_in_the_pod_of_another_node_too(mesh, words, number):
    there = ("--node", "n1", "--kubeconfig", str(mesh.nodes.plane.kubeconfig(ADMIN)))
    line = [sys.executable, "-m", "nodeproxy", *words, "--json", *there]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        began = process.stdout.readline()
        before = in_pods(*words)

        process.send_signal(number)
        mesh.nodes.plane.until(lambda: not in_pods(*words), "the end in the pod")

    assert before and json.loads(began)


def test_an_update_of_the_proxy_loses_no_request(mesh):
    def happens(_loads):
        mesh.kubectl("-n", "nodeproxy", "rollout", "restart", "daemonset/nodeproxy")
        mesh.rolled_out("daemonset/nodeproxy", "nodeproxy")
        mesh.nodes.plane.until(lambda: len(mesh.nodes.pods("nodeproxy", "nodeproxy")) == 2, "the old proxies to go")

    assert failed(mesh.under_load("rollout restart of the proxy", happens)) == NOBODY


def test_a_killed_worker_loses_what_it_had_in_hand_and_nobody_else_notices(mesh):
    def happens(_loads):
        pods.run(mesh.nodes.nodes["n1"], mesh.proxy("n1"), PYTHON, "-c", WORKER)

    results = mesh.under_load("a worker killed on n1", happens)

    assert results["n1"]["failed"] <= THREADS and results["n2"]["failed"] == 0
    assert "refused" not in str(results["n1"]["failures"])


def test_a_killed_supervisor_is_back_and_serves_again(mesh):
    def happens(loads):
        node, proxy = mesh.nodes.nodes["n1"], mesh.proxy("n1")
        node.ctr("tasks", "kill", "--signal=SIGKILL", pods.container(proxy))
        mesh.nodes.plane.until(lambda: restarted(mesh.proxy("n1"), proxy), "the proxy's container to be ready again")

    results = mesh.under_load("the supervisor killed on n1", happens)

    assert results["n1"]["requests"] > results["n1"]["failed"]
    for name in mesh.nodes.nodes:
        assert len(mesh.call(name, 50)) == 50


def test_an_endpoint_deleted_by_force_loses_no_request(mesh):
    def happens(_loads):
        victim = mesh.nodes.pods("web", "shop")[0]["metadata"]["name"]
        mesh.kubectl("-n", "shop", "delete", "pod", victim, "--force", "--grace-period=0")
        mesh.rolled_out("deployment/web", "shop")

    assert failed(mesh.under_load("an endpoint deleted by force", happens)) == NOBODY


def test_a_new_version_of_an_application_loses_no_request(mesh):
    def happens(_loads):
        mesh.kubectl("-n", "shop", "set", "env", "deployment/web", "VERSION=2")
        mesh.rolled_out("deployment/web", "shop")

    results = mesh.under_load("a deployment rolled to a new version", happens)

    assert failed(results) == NOBODY
    assert all(result["by_version"].keys() == {"1", "2"} for result in results.values())


def test_an_outage_of_the_api_server_loses_no_request(mesh):
    def happens(loads):
        mesh.nodes.plane.kill("kube-apiserver")
        mesh.more(loads, 600)
        mesh.nodes.plane.start("kube-apiserver")

    assert failed(mesh.under_load("an outage of the API server", happens)) == NOBODY


def restarted(now, before):
    count, ready = (
        [each["status"]["containerStatuses"][0][field] for each in (now, before)] for field in ("restartCount", "ready")
    )
    return count[0] > count[1] and ready[0]
