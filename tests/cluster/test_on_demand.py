"""On a real API server: only the endpoints that are wanted are watched, and this node's pods are known."""

import json
from pathlib import Path

import pytest

from nodeproxy.mesh.model import Caller
from tests.cluster.follower import Follower
from tests.cluster.objects import pod, web

MANIFESTS = Path(__file__).parents[2] / "manifests"


@pytest.fixture
def kubeconfig(cluster):
    """Of the service account that the manifests give to the proxy."""
    assert cluster.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS}").returncode == 0
    token = cluster.kubectl("create", "token", "nodeproxy", "--namespace=nodeproxy").stdout.strip()
    return cluster.kubeconfig(token)


@pytest.fixture
def follower(kubeconfig, tmp_path):
    with Follower(kubeconfig, tmp_path, "--on-demand", "--node", "n1") as follower:
        follower.until(lambda it: "default/kubernetes" in it.services, "the API server's own service")
        yield follower


def test_endpoints_are_known_while_they_are_wanted_and_only_they_are_watched(cluster, shop, follower):
    cluster.until(lambda: not cluster.watches("endpointslices"), "the end of watches of earlier tests")
    cluster.apply(*web(shop, "10.0.0.1"))
    key = f"{shop}/web"
    follower.until(lambda it: key in it.services, "the service")
    assert follower.services[key].unsubscribed and not cluster.watches("endpointslices")

    follower.want(key)
    follower.until(lambda it: it.addresses(key) == ["10.0.0.1:8080"], "its endpoints")
    cluster.until(lambda: cluster.watches("endpointslices") == 1, "their watch, which follows their list")
    assert not follower.services[key].unsubscribed
    cluster.apply(web(shop, "10.0.0.2")[1])
    follower.until(lambda it: it.addresses(key) == ["10.0.0.2:8080"], "the new endpoint")
    follower.until(
        lambda it: [watch.objects for watch in it.watches if f"namespaces/{shop}/" in watch.what] == [1],
        "the state of the watch",
    )

    follower.leave(key)
    follower.until(lambda it: it.services[key].unsubscribed, "its being forgotten")
    cluster.until(lambda: not cluster.watches("endpointslices"), "the end of its watch")
    assert follower.addresses(key) == []


def test_a_service_that_is_wanted_before_it_exists_is_known_when_it_does(cluster, shop, follower):
    follower.want(f"{shop}/web")

    cluster.apply(*web(shop, "10.0.0.1"))

    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "its endpoints")


def test_what_is_wanted_is_followed_again_behind_an_outage(cluster, shop, follower):
    cluster.apply(*web(shop, "10.0.0.1"))
    follower.want(f"{shop}/web")
    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "its endpoints")

    cluster.kill("kube-apiserver")
    cluster.start("kube-apiserver")
    cluster.apply(web(shop, "10.0.0.2")[1])

    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.2:8080"], "the change behind the outage")


def callers(follower, namespace):
    """Of this namespace alone: other tests have pods on the same node."""
    return [each for each in follower.callers if each.namespace == namespace]


def test_the_pods_of_this_node_are_known_by_their_addresses_until_they_end(cluster, shop, follower):
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}} for name in ("n1", "n2")]
    cluster.apply(*nodes, pod(shop, "here", "n1"), pod(shop, "there", "n2"))

    for name, address in (("here", "10.1.0.1"), ("there", "10.2.0.1")):
        status = json.dumps({"status": {"phase": "Running", "podIPs": [{"ip": address}], "podIP": address}})
        patch = ["patch", "pod", name, f"--namespace={shop}", "--subresource=status", f"--patch={status}"]
        assert cluster.kubectl(*patch).returncode == 0
    follower.until(lambda it: callers(it, shop) == [Caller("10.1.0.1", shop, "here")], "the pod")

    gone = ["delete", "pod", "here", f"--namespace={shop}", "--grace-period=0", "--force"]
    assert cluster.kubectl(*gone).returncode == 0
    follower.until(lambda it: callers(it, shop) == [], "its end")


def test_without_the_permission_to_see_pods_the_mesh_works_and_says_so(cluster, shop, kubeconfig, tmp_path):
    role = json.loads(cluster.kubectl("get", "clusterrole", "nodeproxy", "--output=json").stdout)
    role["rules"] = [rule for rule in role["rules"] if "pods" not in rule["resources"]]
    cluster.apply(role)
    cluster.apply(*web(shop, "10.0.0.1"))

    with Follower(kubeconfig, tmp_path, "--node", "n1") as follower:
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the service")
        follower.until(lambda it: it.fresh, "being in sync")
        assert follower.log.read_text().count('cannot list resource "pods"') == 1

    assert cluster.kubectl("apply", f"--kustomize={MANIFESTS}").returncode == 0
