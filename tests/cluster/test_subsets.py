"""On a real API server: only pods with labels that tables ask for are watched, and a new label is in force at once."""

import json
from pathlib import Path

import pytest

from tests.cluster.follower import Follower
from tests.cluster.objects import pod, web
from tests.discovery.kube import of_pod, own_policy_map, slice_of

MANIFESTS = Path(__file__).parents[2] / "manifests"
SELECTOR = "version=v2"


@pytest.fixture
def kubeconfig(cluster):
    """Of the service account that the manifests give to the proxy."""
    assert cluster.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS}").returncode == 0
    token = cluster.kubectl("create", "token", "nodeproxy", "--namespace=nodeproxy").stdout.strip()
    return cluster.kubeconfig(token)


@pytest.fixture
def key(cluster, shop):
    """A service of two pods, of which the second is of version v2, and a table that asks for those."""
    pods = [pod(shop, f"web-{number}", "n1", {"version": f"v{number}"}) for number in (1, 2)]
    slices = slice_of(f"{shop}/web", of_pod("web-1", "10.0.0.1"), of_pod("web-2", "10.0.0.2"))
    table = own_policy_map(f"{shop}/table", web="split: [{weight: 9}, {labels: {version: v2}}]")
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    cluster.apply(*pods, web(shop, "10.0.0.1")[0], slices, table)
    yield f"{shop}/web"
    # every discovery of the tests to come would ask for these pods too
    cluster.kubectl("delete", "configmap", "table", f"--namespace={shop}", "--ignore-not-found")


def subsets(follower, key):
    """By address, once the service is followed."""
    service = follower.services.get(key)
    if service is None or service.unsubscribed:
        return {}
    return {each.address: each.subsets for port in service.ports for each in port.endpoints}


def selections(follower, shop):
    return [watch.what for watch in follower.watches if f"namespaces/{shop}/pods" in watch.what]


def test_pods_are_watched_while_a_table_asks_for_them_and_their_labels_are_in_force(
    cluster, shop, kubeconfig, key, tmp_path
):
    with Follower(kubeconfig, tmp_path, "--on-demand", "--node", "n1") as follower:
        follower.until(lambda it: "split" in it.services[key].policies if key in it.services else False, "the table")
        cluster.until(lambda: not cluster.watches("pods"), "the end of watches of earlier tests")
        assert selections(follower, shop) == []

        seen = []
        follower.want(key)
        follower.until(lambda it: seen.append(subsets(it, key)) or seen[-1], "its endpoints")
        assert seen[-1] == {"10.0.0.1": (), "10.0.0.2": (SELECTOR,)}  # from the first moment on
        follower.until(lambda it: selections(it, shop), "the state of the watch")
        assert selections(follower, shop) == [f"/api/v1/namespaces/{shop}/pods labelSelector={SELECTOR}"]
        cluster.until(lambda: cluster.watches("pods") == 1, "the watch, which follows the list")

        for name, version in (("web-1", "v2"), ("web-2", "v3")):
            label = ["label", "pod", name, f"version={version}", "--overwrite", f"--namespace={shop}"]
            assert cluster.kubectl(*label).returncode == 0
        follower.until(lambda it: subsets(it, key) == {"10.0.0.1": (SELECTOR,), "10.0.0.2": ()}, "the new labels")

        assert cluster.kubectl("delete", "configmap", "table", f"--namespace={shop}").returncode == 0
        follower.until(lambda it: subsets(it, key) == {"10.0.0.1": (), "10.0.0.2": ()}, "the end of the subset")
        cluster.until(lambda: not cluster.watches("pods"), "the end of its watch")


def test_labels_that_the_api_server_refuses_leave_the_service_in_force_and_are_named(
    cluster, shop, kubeconfig, key, tmp_path
):
    too_long = f"{'a.' * 127}a/version"
    cluster.apply(own_policy_map(f"{shop}/table", web=f"split: [{{weight: 9}}, {{labels: {{{too_long}: v2}}}}]"))

    with Follower(kubeconfig, tmp_path, "--on-demand") as follower:
        follower.want(key)
        follower.until(lambda it: subsets(it, key), "its endpoints")
        assert subsets(follower, key) == {"10.0.0.1": (), "10.0.0.2": ()}
        cluster.until(lambda: "the API server refuses" in follower.log.read_text(), "the warning")


def test_a_restarted_discovery_publishes_subsets_with_the_first_table(cluster, shop, kubeconfig, key, tmp_path):
    seen = []

    with Follower(kubeconfig, tmp_path, "--node", "n1") as follower:
        follower.until(lambda it: seen.append(subsets(it, key)) or seen[-1], "the first table")

    assert seen[-1] == {"10.0.0.1": (), "10.0.0.2": (SELECTOR,)}


def test_without_the_permission_the_service_works_without_its_subset_and_says_so(
    cluster, shop, kubeconfig, key, tmp_path
):
    role = json.loads(cluster.kubectl("get", "clusterrole", "nodeproxy", "--output=json").stdout)
    role["rules"] = [rule for rule in role["rules"] if "pods" not in rule["resources"]]
    cluster.apply(role)

    with Follower(kubeconfig, tmp_path, "--on-demand") as follower:
        follower.want(key)
        follower.until(lambda it: subsets(it, key), "its endpoints")
        assert subsets(follower, key) == {"10.0.0.1": (), "10.0.0.2": ()}
        cluster.until(lambda: "a subset by labels has no endpoint" in follower.log.read_text(), "the warning")

    assert cluster.kubectl("apply", f"--kustomize={MANIFESTS}").returncode == 0
