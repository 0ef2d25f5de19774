"""On a real API server: what its Services, EndpointSlices and Nodes say of places, families and affinity."""

import json
from pathlib import Path

import pytest

from tests.cluster.control_plane import ADMIN
from tests.cluster.follower import Follower
from tests.discovery.kube import endpoint, service, slice_of
from tests.fakes.dns import Zone, serving

MANIFESTS = Path(__file__).parents[2] / "manifests"
ZONE_LABEL = "topology.kubernetes.io/zone"


def node(name, zone):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {ZONE_LABEL: zone}}}


def web(shop, **spec):
    """A service with an endpoint here, one in this zone and one elsewhere."""
    value = service(f"{shop}/web", **spec)
    if "clusterIP" not in spec:
        del value["spec"]["clusterIP"]
    pods = slice_of(
        f"{shop}/web",
        endpoint("10.0.0.1", nodeName="node-1", zone="zone-a"),
        endpoint("10.0.0.2", nodeName="node-2", zone="zone-a"),
        endpoint("10.0.0.3", nodeName="node-3", zone="zone-b"),
    )
    return value, pods


def distances(follower, shop):
    found = follower.services.get(f"{shop}/web")
    return [each.distance for port in found.ports for each in port.endpoints] if found else []


def test_distances_follow_the_label_of_the_node_with_the_manifests_own_permissions(cluster, shop, tmp_path):
    assert cluster.kubectl("apply", "--validate=strict", f"--kustomize={MANIFESTS}").returncode == 0
    token = cluster.kubectl("create", "token", "nodeproxy", "--namespace=nodeproxy").stdout.strip()
    cluster.apply(node("node-1", "zone-a"), *web(shop, trafficDistribution="PreferClose"))

    with Follower(cluster.kubeconfig(token), tmp_path, "--node", "node-1") as follower:
        follower.until(lambda it: distances(it, shop) == [0, 0, 1], "the zone of the node")
        assert 'cannot list resource "nodes"' not in follower.log.read_text()

        cluster.apply(node("node-1", "zone-b"))
        follower.until(lambda it: distances(it, shop) == [1, 1, 0], "the other zone")

        cluster.apply(web(shop, trafficDistribution="PreferSameNode")[0])
        follower.until(lambda it: distances(it, shop) == [0, 2, 1], "the other preference")

        cluster.apply(web(shop, trafficDistribution=None, internalTrafficPolicy="Local")[0])
        follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.1:8080"], "the node's own endpoint alone")


def test_a_node_that_may_not_be_read_is_told_once_and_the_mesh_runs_without_zones(cluster, shop, tmp_path):
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "configmaps"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    account = {"kind": "ServiceAccount", "name": "reader", "namespace": shop}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": shop}},
        {**kind, "kind": "ClusterRole", "metadata": {"name": shop}, "rules": rules},
        {
            **kind,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": shop},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": shop},
            "subjects": [account],
        },
        node("node-1", "zone-a"),
        *web(shop, trafficDistribution="PreferSameZone"),
    )
    token = cluster.kubectl("create", "token", "reader", f"--namespace={shop}").stdout.strip()

    with Follower(cluster.kubeconfig(token), tmp_path, "--node", "node-1") as follower:
        follower.until(lambda it: distances(it, shop) == [1, 1, 1] and it.fresh, "the services, in sync")
        log = follower.log.read_text()

    assert log.count('cannot list resource "nodes"') == 1
    assert "grant nodeproxy's service account" in log and "/api/v1/nodes" in log


def test_the_api_server_s_own_defaults_for_services_are_understood(cluster, shop, tmp_path):
    value, pods = web(shop, sessionAffinity="ClientIP")
    headless = service(f"{shop}/pods", clusterIP="None")
    six = slice_of(f"{shop}/web", endpoint("fd00::1", nodeName="node-1"), name="web-six", family="IPv6")
    cluster.apply(value, pods, six, headless, slice_of(f"{shop}/pods", endpoint("10.0.0.9", hostname="pods-0")))

    with Follower(cluster.kubeconfig(ADMIN), tmp_path) as follower:
        follower.until(lambda it: f"{shop}/pods" in it.services and f"{shop}/web" in it.services, "both services")
        found, of_pods = follower.services[f"{shop}/web"], follower.services[f"{shop}/pods"]

    assert found.affinity_s == 10800.0 and not found.only_local
    assert [each.address for each in found.ports[0].endpoints] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert distances(follower, shop) == [0, 0, 0]
    assert [each.hostname for each in of_pods.ports[0].endpoints] == ["pods-0"] and of_pods.virtual_address


@pytest.mark.parametrize("flags", [(), ("--on-demand",)], ids=["always", "on-demand"])
def test_an_external_name_has_the_addresses_of_its_name_and_none_of_the_node_s_own(cluster, shop, tmp_path, flags):
    alias = service(f"{shop}/bank", ports=[], type="ExternalName", externalName="bank.example")
    del alias["spec"]["clusterIP"]
    zone = Zone(bank_example=[("A", 1, "192.0.2.1"), ("A", 1, "127.0.0.1")])
    cluster.apply(alias)

    with serving(zone):
        resolver = f"127.0.0.1:{zone.port}"
        with Follower(cluster.kubeconfig(ADMIN), tmp_path, "--resolver", resolver, *flags) as follower:
            follower.until(lambda it: f"{shop}/bank" in it.services, "the service")
            assert follower.services[f"{shop}/bank"].unsubscribed == bool(flags) and bool(flags) != bool(zone.asked)
            follower.want(f"{shop}/bank")
            follower.until(lambda it: it.addresses(f"{shop}/bank") == ["192.0.2.1:80"], "the address")
            zone.records["bank.example"] = [("A", 1, "192.0.2.2")]
            follower.until(lambda it: it.addresses(f"{shop}/bank") == ["192.0.2.2:80"], "the new address")
            log = follower.log.read_text()
    assert (
        cluster.kubectl("delete", "service", "bank", f"--namespace={shop}").returncode == 0
    )  # no other test's problem

    assert "bank.example: 127.0.0.1 is not called: it is a loopback address of the node" in log


def pod(shop, name, address, port):
    """A pod of the headless service, with a name of its own, and what the kubelet would say of it."""
    spec = {
        "nodeName": "node-1",
        "hostname": name,
        "subdomain": "db",
        "containers": [{"name": "db", "image": "db", "ports": [{"name": "sql", "containerPort": port}]}],
    }
    value = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": shop, "labels": {"app": "db"}},
        "spec": spec,
    }
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    return value, json.dumps({"status": {**status, "conditions": [{"type": "Ready", "status": "False"}]}})


def test_the_real_controller_s_slices_of_pods_with_names_ports_of_their_own_and_no_readiness(cluster, shop, tmp_path):
    ports = [{"name": "tcp", "port": 5432, "targetPort": "sql"}]
    spec = {"clusterIP": "None", "selector": {"app": "db"}, "ports": ports, "publishNotReadyAddresses": True}
    meta = {"name": "db", "namespace": shop}
    cluster.apply(node("node-1", "zone-a"), {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    for name, address, port in (("db-0", "10.1.2.3", 15432), ("db-1", "10.1.2.4", 25432)):
        value, status = pod(shop, name, address, port)
        cluster.apply(value)
        patch = ["patch", "pod", name, f"--namespace={shop}", "--subresource=status", "--patch", status]
        assert cluster.kubectl(*patch).returncode == 0

    with Follower(cluster.kubeconfig(ADMIN), tmp_path, "--node", "node-1") as follower:
        follower.until(lambda it: len(it.addresses(f"{shop}/db")) == 2, "both pods")
        (port,) = follower.services[f"{shop}/db"].ports

    assert [(each.hostname, each.address, each.port) for each in port.endpoints] == [
        ("db-0", "10.1.2.3", 15432),
        ("db-1", "10.1.2.4", 25432),
    ]
    # zones are not asked for here: the controller writes none as long as it has not seen the Node
    assert port.protocol == "tcp" and {each.node for each in port.endpoints} == {"node-1"}
