"""The callers: pods by their addresses."""

import msgspec
import pytest

from discovery.kubernetes.callers import callers_of, workload_of
from discovery.kubernetes.pods import Pod
from discovery.sources.cluster.pods import pods_of
from nodeproxy.mesh.model import Caller


def pod(name="web-7d9f-x2x", address="10.244.1.5", **parts):
    """A Pod as an API server would send it."""
    return msgspec.json.decode(
        msgspec.json.encode(
            {
                "metadata": {"name": name, "namespace": "shop", **parts.get("metadata", {})},
                "spec": parts.get("spec", {}),
                "status": {
                    "phase": "Running", "podIPs": [{"ip": address}], "startTime": "2026-11-21T10:00:00Z",
                    **parts.get("status", {}),
                },
            }
        ),
        type=Pod,
    )  # fmt: skip


def owned(kind, name, **labels):
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}], "labels": labels}


@pytest.mark.parametrize(
    ("metadata", "workload"),
    [
        (owned("ReplicaSet", "web-7d9f", **{"pod-template-hash": "7d9f"}), "web"),
        (owned("ReplicaSet", "bare"), "bare"),
        (owned("StatefulSet", "db"), "db"),
        (owned("DaemonSet", "agent"), "agent"),
        (owned("Job", "backup-29384756"), "backup"),
        (owned("Job", "once"), "once"),
        ({"ownerReferences": [{"kind": "Service", "name": "web"}]}, "web-7d9f-x2x"),
        ({}, "web-7d9f-x2x"),
    ],
)
def test_a_pod_is_one_of_its_workload(metadata, workload):
    assert workload_of(pod(metadata=metadata)) == workload


def test_both_addresses_of_a_pod_are_its_own():
    both = pod(status={"podIPs": [{"ip": "10.244.1.5"}, {"ip": "fd00::5"}]})

    assert callers_of([both]) == (
        Caller("10.244.1.5", "shop", "web-7d9f-x2x"),
        Caller("fd00::5", "shop", "web-7d9f-x2x"),
    )


def test_a_pod_on_the_host_network_is_the_node():
    assert callers_of([pod(spec={"hostNetwork": True}, address="10.0.0.1")]) == (Caller("10.0.0.1", "", "node"),)


@pytest.mark.parametrize("status", [{"phase": "Succeeded"}, {"phase": "Failed"}, {"podIPs": None}, {"podIPs": []}])
def test_a_pod_that_has_ended_or_has_no_address_yet_is_no_caller(status):
    assert callers_of([pod(status=status)]) == ()


def test_of_two_pods_with_one_address_the_newer_counts():
    old, new = pod("old"), pod("new", status={"startTime": "2026-11-21T10:00:01Z"})

    assert callers_of([new, old]) == callers_of([old, new]) == (Caller("10.244.1.5", "shop", "new"),)


def test_only_the_pods_of_this_node_are_asked_for_and_the_mesh_can_do_without():
    resource = pods_of("n1")

    assert resource.query == {"fieldSelector": "spec.nodeName=n1"} and not resource.required
