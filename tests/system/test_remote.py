"""--node: a command runs in the proxy's pod of another node, and what prevents that is said; and the kubectl plugin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.control_plane import home
from tests.fakes.api_exec import Api, serving
from tests.fakes.node import COMMAND_LIMIT_S, Node, command, server, service

PODS = {"n1": ("nodeproxy-old", "nodeproxy-abc")}


def in_pod(config):
    """What the pod runs: the real command, of a node whose configuration this is."""

    def run(words):
        line = [sys.executable, "-m", *words, "--config", str(config)]
        return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return run


def test_a_node_is_asked_through_the_api_server(folder):
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder.parent / 'run'}\n")
    api = Api(PODS, run=in_pod(config))
    with server("web") as web, serving(api, folder.parent) as kubeconfig:
        (folder / "web.yaml").write_text(service("web", web))
        where = ("--node", "n1", "--kubeconfig", str(kubeconfig))
        with Node(folder, "--config", str(config)):
            status = command("status", *where)
            explained = command("explain", "web.shop", "--port", "80", "--json", *where)
            diagnosed = command("diagnose", "wep.shop", "--from", "shop/cart", *where)
            unknown = command("endpoints", "wep.shop", *where)

    assert (status.returncode, explained.returncode, diagnosed.returncode) == (0, 0, 1), status.stderr
    assert "connected" in status.stdout and json.loads(explained.stdout)["service"] == "web"
    assert "close to it: web.shop" in diagnosed.stdout
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "node n1: there is no service wep in namespace shop in the mesh; close to it: web.shop\n",
    )
    assert api.asked[2] == (
        "nodeproxy-abc",
        "nodeproxy",
        ["nodeproxy", "diagnose", "wep.shop", "--from", "shop/cart", "--json"],
    )


def test_a_tap_of_a_node_that_does_not_know_the_service_says_so(folder):
    config = folder.parent / "node.yaml"
    config.write_text(f"run_dir: {folder.parent / 'run'}\n")
    api = Api(PODS, run=in_pod(config))
    with server("web") as web, serving(api, folder.parent) as kubeconfig:
        (folder / "web.yaml").write_text(service("web", web))
        with Node(folder, "--config", str(config)):
            words = ("--path", "/a", "--count", "2", "--node", "n1", "--kubeconfig", str(kubeconfig))
            done = command("tap", "wep.shop", *words)

    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("node n1: ") and "close to it: web.shop" in done.stderr
    assert api.asked[0][2] == ["nodeproxy", "tap", "wep.shop", "--path=/a", "--count=2", "--json", "--until-stdin-ends"]


@pytest.mark.parametrize(
    ("node", "api", "said"),
    [
        ("n9", Api(PODS, nodes=("n1", "n2")), "there is no node n9; there are n1, n2"),
        (
            "n2",
            Api(PODS, nodes=("n1", "n2")),
            "no running pod of the proxy (app=nodeproxy in namespace nodeproxy) is on",
        ),
        ("n2", Api(PODS, forbidden=("/nodes",)), "is on node n2; check the name and see kubectl -n nodeproxy get pods"),
        ("n1", Api(PODS, forbidden=("/exec",)), "the API server forbids pods/exec in namespace nodeproxy (403"),
        ("n1", Api(PODS, forbidden=("/pods",)), "the API server forbids pods (403, /api/v1/namespaces/nodeproxy/pods"),
    ],
)
def test_what_prevents_it_is_said(node, api, said, tmp_path):
    with serving(api, tmp_path) as kubeconfig:
        done = command("diagnose", "web.shop", "--node", node, "--kubeconfig", str(kubeconfig))

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_an_api_server_that_is_not_there_is_said(tmp_path):
    with serving(Api(), tmp_path) as kubeconfig:
        pass
    closed, missing = (
        command("status", "--node", "n1", "--kubeconfig", str(path)) for path in (kubeconfig, tmp_path / "nowhere")
    )

    assert (closed.returncode, missing.returncode) == (1, 1)
    assert "the API server http://127.0.0.1:" in closed.stderr and "cannot be reached" in closed.stderr
    assert "--node needs a kubeconfig, as kubectl does" in missing.stderr


def test_kubectl_has_the_commands_as_a_plugin(folder):
    kubectl = home() / "kubectl"
    if not kubectl.exists():
        pytest.skip("no kubectl: `make kube` gets it")
    config, own = folder.parent / "node.yaml", Path(sys.executable).parent
    config.write_text(f"run_dir: {folder.parent / 'run'}\n")
    (folder / "web.yaml").write_text(service("web"))
    path = {**os.environ, "PATH": f"{own}:{os.environ['PATH']}"}
    with Node(folder, "--config", str(config)):
        words = (["plugin", "list"], ["mesh", "status", "--config", str(config)], ["mesh", "--help"])
        listed, status, usage = (
            subprocess.run(
                [kubectl, *each], capture_output=True, text=True, env=path, timeout=COMMAND_LIMIT_S, check=False
            )
            for each in words
        )

    assert f"{own}/kubectl-mesh" in listed.stdout
    assert status.returncode == 0 and "connected" in status.stdout, status.stderr
    assert "kubectl mesh" in usage.stdout
