"""Discovery on a real API server: what is written there is in force, whatever happens to the API server."""

from pathlib import Path

import pytest

from tests.cluster.control_plane import ADMIN
from tests.cluster.follower import Follower
from tests.cluster.objects import web
from tests.discovery.kube import policy_map

MANIFESTS = Path(__file__).parents[2] / "manifests"


@pytest.fixture
def follower(cluster, tmp_path):
    with Follower(cluster.kubeconfig(ADMIN), tmp_path) as follower:
        follower.until(lambda it: "default/kubernetes" in it.services, "the API server's own service")
        yield follower


def test_what_is_written_is_in_force_and_what_is_deleted_is_not(cluster, shop, follower):
    cluster.apply(*web(shop, "10.0.0.1"))
    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the service")

    cluster.apply(web(shop, "10.0.0.2")[1])
    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.2:8080"], "the new endpoint")

    assert cluster.kubectl("delete", "service", "web", f"--namespace={shop}").returncode == 0
    follower.until(lambda it: f"{shop}/web" not in it.services, "the end of the service")


def test_slices_of_the_real_controller_are_understood(cluster, shop, follower):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": shop, "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 9090}]}]},
    }
    selecting = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": shop},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 9090}]},
    }
    status = '{"status": {"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}], "conditions": %s}}'
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}, pod, selecting)

    for ready, expected in (("True", ["10.1.2.3:9090"]), ("False", [])):
        conditions = f'[{{"type": "Ready", "status": "{ready}"}}]'
        patch = ["patch", "pod", "web-0", f"--namespace={shop}", "--subresource=status", "--patch", status % conditions]
        assert cluster.kubectl(*patch).returncode == 0
        follower.until(lambda it, want=expected: it.addresses(f"{shop}/web") == want, f"readiness {ready}")


def test_policies_are_read_from_the_mesh_own_config_map(cluster, shop, follower):
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nodeproxy"}}, *web(shop, "10.0.0.1"))
    cluster.apply(policy_map(**{f"web__{shop}": "timeouts: {request: 3s}"}))

    def timeouts(it):
        service = it.services.get(f"{shop}/web")
        return service.policies.get("timeouts", {}) if service else {}

    # another test may have applied the manifests, whose map has a table for all
    follower.until(lambda it: timeouts(it).get("request") == "3s", "the policies of the service")


@pytest.mark.parametrize("forgotten", [False, True], ids=["restarted", "compacted"])
def test_an_api_server_that_comes_back_is_followed_again(cluster, shop, follower, forgotten):
    cluster.apply(*web(shop, "10.0.0.1"))
    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the service")

    cluster.kill("kube-apiserver")
    if forgotten:
        cluster.compact()
    cluster.start("kube-apiserver")
    assert follower.addresses(f"{shop}/web") == ["10.0.0.1:8080"]
    cluster.apply(web(shop, "10.0.0.2")[1])

    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.2:8080"], "the change behind the outage")
    follower.fresh = 0
    follower.until(lambda it: it.fresh, "being in sync again")


def test_a_token_that_is_not_accepted_any_more_is_read_again(cluster, shop, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    cluster.admit("first")
    cluster.kill("kube-apiserver")
    cluster.start("kube-apiserver")
    cluster.apply(*web(shop, "10.0.0.1"))

    with Follower(cluster.kubeconfig(token), tmp_path) as follower:
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the service")
        cluster.kill("kube-apiserver")
        cluster.admit("second")
        cluster.start("kube-apiserver")
        cluster.apply(web(shop, "10.0.0.2")[1])
        cluster.until(lambda: "Unauthorized" in follower.log.read_text(), "the refusal to be told")
        assert follower.addresses(f"{shop}/web") == ["10.0.0.1:8080"]

        token.write_text("second")
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.2:8080"], "the change")
        follower.fresh = 0
        follower.until(lambda it: it.fresh, "being in sync again")


def test_a_start_without_an_api_server_serves_what_was_last_good(cluster, shop, tmp_path):
    state, kubeconfig = tmp_path / "state", cluster.kubeconfig(ADMIN)
    cluster.apply(*web(shop, "10.0.0.1"))
    with Follower(kubeconfig, tmp_path, "--state", str(state)) as follower:
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the service")
        cluster.until(lambda: state.exists() and shop in state.read_text(), "the state on disk")

    cluster.kill("kube-apiserver")
    with Follower(kubeconfig, tmp_path, "--state", str(state)) as follower:
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "what was last good")
        assert follower.age_s > 0 and follower.fresh == 0

        cluster.start("kube-apiserver")
        follower.until(lambda it: it.fresh, "the API server's own word")
        assert follower.age_s == 0 and follower.addresses(f"{shop}/web") == ["10.0.0.1:8080"]


def test_the_manifests_give_the_permissions_that_are_needed_and_a_missing_one_is_named(cluster, shop, tmp_path):
    assert cluster.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS}").returncode == 0
    token = cluster.kubectl("create", "token", "nodeproxy", "--namespace=nodeproxy").stdout.strip()
    cluster.apply(*web(shop, "10.0.0.1"))
    kubeconfig = cluster.kubeconfig(token)

    with Follower(kubeconfig, tmp_path) as follower:
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the service")
        assert "problem" not in follower.log.read_text()

    assert cluster.kubectl("delete", "clusterrolebinding", "nodeproxy").returncode == 0
    with Follower(kubeconfig, tmp_path) as follower:
        cluster.until(lambda: "forbids it" in follower.log.read_text(), "the refusal to be told")
        assert 'cannot list resource "services"' in follower.log.read_text()
        assert follower.services == {}
