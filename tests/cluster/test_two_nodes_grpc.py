"""gRPC on the real cluster of two nodes: a client on each calls over one channel, while servers and proxies leave."""

import json
import sys
from pathlib import Path
from string import Template

import pytest

from tests.cluster.mesh import GRPCIO, NOBODY, failed
from tests.cluster.pods import PYTHON

SERVER, LOAD = (Path(__file__).with_name(f"grpc_{name}.py").read_text() for name in ("server", "load"))
ECHO = Path(__file__).with_name("grpc_echo.yaml")
TARGET = "echo.rpc.mesh:50051"
FOR_EVER, TWO_SECONDS = "0", "40"  # of messages of a stream


@pytest.fixture(scope="module")
def echo(mesh):
    """The mesh, and the Deployment of gRPC servers behind it."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("pods have Python 3.11, and are lent the grpcio of the tests: run them with that version")
    command = json.dumps([PYTHON, "-c", SERVER])
    mesh.nodes.apply(Template(ECHO.read_text()).substitute(command=command, grpcio=GRPCIO))
    mesh.rolled_out("deployment/echo", "rpc")
    return mesh


def names(mesh):
    return {each["metadata"]["name"] for each in mesh.nodes.pods("echo", "rpc")}


def all_names(mesh):
    """Those of pods that are ending too."""
    found = mesh.nodes.plane.get("/api/v1/namespaces/rpc/pods", labelSelector="app=echo")
    return {each["metadata"]["name"] for each in found["items"]}


def test_a_rollout_of_grpc_servers_loses_no_call(echo):
    old = names(echo)

    def happens(_loads):
        echo.kubectl("-n", "rpc", "rollout", "restart", "deployment/echo")
        echo.rolled_out("deployment/echo", "rpc")
        echo.nodes.plane.until(lambda: not old & all_names(echo), "the old servers to go")

    results = echo.under_load("a rollout of gRPC servers", happens, LOAD, (TARGET, FOR_EVER))

    assert failed(results) == NOBODY
    for result in results.values():
        # a stream ends with its server, so that its client calls another one
        assert result["streams"].keys() == {"UNAVAILABLE"}
        assert {pod for pod, _, _ in result["broken"]} <= old
        assert result["by_pod"].keys() == old | names(echo)


def test_an_update_of_the_proxy_loses_no_call(echo):
    def happens(_loads):
        echo.kubectl("-n", "nodeproxy", "rollout", "restart", "daemonset/nodeproxy")
        echo.rolled_out("daemonset/nodeproxy", "nodeproxy")
        echo.nodes.plane.until(lambda: len(echo.nodes.pods("nodeproxy", "nodeproxy")) == 2, "the old proxies to go")

    results = echo.under_load("rollout restart of the proxy, gRPC", happens, LOAD, (TARGET, TWO_SECONDS))

    assert failed(results) == NOBODY
    for result in results.values():
        assert result["streams"].keys() == {"OK"}
