"""A real API server for the tests of this folder, started once; the suite says loudly when there is none."""

import os

import pytest

from tests.cluster.control_plane import ControlPlane, home
from tests.cluster.mesh import Mesh
from tests.cluster.node import CGROUPS
from tests.cluster.nodes import Nodes

PROGRAMS = ("kube-apiserver", "etcd", "kubelet", "kube-proxy", "containerd", "coredns", "buildah", "pause")
MISSING = f"no whole Kubernetes in {home()}: the tests of tests/cluster do not run; `make kube` gets it"


def pytest_collection_modifyitems(items):
    """Skip this folder, loudly and once, where there is no API server; `.ci/run` allows no such skip."""
    if all((home() / name).exists() for name in PROGRAMS):
        return
    if os.environ.get("NODEPROXY_NEEDS_KUBE"):
        pytest.exit(MISSING, returncode=1)
    for item in items:
        if "tests/cluster" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The API server, and who controls services there."""
    with ControlPlane(tmp_path_factory.mktemp("cluster")) as plane:
        yield plane


@pytest.fixture
def shop(cluster, request):
    """A namespace of the test's own."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")[:50].strip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # pods need it; the controller makes it too, but takes a minute to come back behind a killed API server
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
    return name


@pytest.fixture(scope="session")
def nodes(tmp_path_factory):
    """The cluster of two nodes, with the image of this repository loaded."""
    if os.geteuid() or not (CGROUPS / "cpuset").is_dir():
        pytest.skip("a cluster of two nodes needs root, and control groups of version 1: tests/cluster/node.py")
    with Nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


@pytest.fixture(scope="session")
def mesh(nodes):
    """The mesh in force there."""
    return Mesh(nodes)
