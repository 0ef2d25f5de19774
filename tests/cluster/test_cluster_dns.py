"""The mesh's part in the cluster's DNS, on a real API server, with the permissions of the manifests and no others."""

import json

import pytest

from discovery.cluster_dns.coredns import with_mesh
from discovery.cluster_dns.texts import Upstream
from tests.cluster.keeper import MANIFESTS, ConfigMaps, Keeper, apply, command, delete
from tests.discovery.cluster_dns.corefiles import K3S, KUBEADM

OVERLAYS = MANIFESTS / "overlays"
WITH_MESH = with_mesh(KUBEADM, Upstream("169.254.77.1"))


@pytest.fixture(scope="module")
def clean(cluster):
    """The cluster, which is left as it was found."""
    yield cluster
    delete(cluster)


@pytest.fixture
def maps(cluster, clean):
    """A cluster with the manifests applied, and without any configuration of DNS yet."""
    apply(cluster)
    maps = ConfigMaps(cluster)
    yield maps
    maps.delete()


@pytest.fixture
def keeper(cluster, maps, tmp_path):
    with Keeper(cluster, tmp_path) as keeper:
        yield keeper


def has_mesh(data):
    return data == {"Corefile": WITH_MESH}


def test_the_part_comes_in_and_comes_again_when_an_add_on_overwrites_it(maps, keeper):
    maps.put("coredns", Corefile=KUBEADM)
    maps.until("coredns", has_mesh, "the mesh's part")

    for _ in range(3):
        maps.put("coredns", Corefile=KUBEADM)
        maps.until("coredns", has_mesh, "the mesh's part again")

    assert "problem" not in keeper.text


def test_what_others_write_around_it_is_kept(maps, keeper):
    maps.put("coredns", Corefile=KUBEADM, NodeHosts="10.0.0.1 n1")
    maps.until("coredns", lambda it: it["Corefile"] == WITH_MESH, "the mesh's part")

    edited = WITH_MESH.replace("lameduck 5s", "lameduck 9s").replace("169.254.77.1", "10.9.9.9")
    maps.put("coredns", Corefile=edited, NodeHosts="10.0.0.2 n2")

    data = maps.until("coredns", lambda it: "10.9.9.9" not in it["Corefile"], "the mesh's part as it was")
    assert data == {"Corefile": WITH_MESH.replace("lameduck 5s", "lameduck 9s"), "NodeHosts": "10.0.0.2 n2"}


def test_a_corefile_with_a_block_of_its_own_for_the_zone_is_left_alone_until_that_is_gone(cluster, maps, keeper):
    own = KUBEADM + "mesh:53 {\n    forward . 10.0.0.9\n}\n"
    maps.put("coredns", Corefile=own)
    cluster.until(lambda: "a server block for mesh that is not nodeproxy's" in keeper.text, "the problem to be told")

    assert maps.data("coredns") == {"Corefile": own}
    assert keeper.text.count("ConfigMap kube-system/coredns: data.Corefile: left as it is") == 1

    maps.put("coredns", Corefile=KUBEADM)
    maps.until("coredns", has_mesh, "the mesh's part")


def test_the_style_is_found_and_followed_when_it_changes(maps, keeper):
    maps.put("coredns", Corefile=K3S)
    maps.until("coredns", lambda it: "mesh:53" in it["Corefile"], "the mesh's part in the Corefile")

    maps.put("coredns-custom", other__server="example.org:53 {\n}\n")
    data = maps.until("coredns-custom", lambda it: "nodeproxy.server" in it, "the mesh's part in a key of its own")

    assert maps.data("coredns") == {"Corefile": K3S}
    assert data["other.server"] == "example.org:53 {\n}\n"
    assert "template IN ANY svc.cluster.local" in data["nodeproxy.override"]


def test_stub_domains_of_kube_dns_get_one_more(maps, keeper):
    maps.put("kube-dns", stubDomains='{"corp.example": ["10.0.0.9"]}')

    data = maps.until("kube-dns", lambda it: "mesh" in it["stubDomains"], "the stub domain")

    assert json.loads(data["stubDomains"]) == {"mesh": ["169.254.77.1"], "corp.example": ["10.0.0.9"]}


def test_an_operator_looks_and_takes_it_out(cluster, maps, tmp_path):
    maps.put("coredns", Corefile=KUBEADM)
    before = command(cluster, "show")
    with Keeper(cluster, tmp_path):
        maps.until("coredns", has_mesh, "the mesh's part")
    kept, there = maps.data("coredns"), command(cluster, "show")

    removed, again = command(cluster, "remove"), command(cluster, "remove")

    assert has_mesh(kept)  # the keeper's own end is no uninstall
    assert (before.returncode, before.stdout.split("\n")[0]) == (1, "kube-system/coredns: not there")
    assert WITH_MESH in before.stdout
    assert (there.returncode, there.stdout) == (0, "kube-system/coredns: there\n")
    assert (removed.returncode, again.returncode) == (0, 0)
    assert "nothing to remove" in again.stderr
    assert maps.data("coredns") == {"Corefile": KUBEADM}


def test_with_the_manifests_the_part_goes_too(cluster, maps, tmp_path):
    maps.put("coredns", Corefile=KUBEADM)
    with Keeper(cluster, tmp_path) as keeper:
        maps.until("coredns", has_mesh, "the mesh's part")

        delete(cluster)

    assert maps.data("coredns") == {"Corefile": KUBEADM}
    assert "uninstalled owner=Namespace nodeproxy" in keeper.text
    assert "WARNING" not in keeper.text and "ERROR" not in keeper.text


def test_with_the_keepers_own_deployment_the_part_goes_too(cluster, maps, tmp_path):
    maps.put("coredns", Corefile=KUBEADM)
    with Keeper(cluster, tmp_path) as keeper:
        maps.until("coredns", has_mesh, "the mesh's part")
        assert cluster.kubectl("delete", "deployment", "nodeproxy-dns", "--namespace=nodeproxy").returncode == 0
        keeper.process.terminate()

    assert maps.data("coredns") == {"Corefile": KUBEADM}


def test_a_missing_permission_is_named_and_waited_for(cluster, maps, keeper):
    maps.put("coredns", Corefile=KUBEADM)
    maps.until("coredns", has_mesh, "the mesh's part")

    binding = ("rolebinding", "nodeproxy-dns", "--namespace=kube-system")
    assert cluster.kubectl("delete", *binding).returncode == 0
    maps.put("coredns", Corefile=KUBEADM)
    cluster.until(lambda: "the API server forbids it" in keeper.text, "the refusal to be told")

    assert 'cannot patch resource "configmaps"' in keeper.text
    assert "apply manifests/base/dns-rbac.yaml" in keeper.text

    apply(cluster)
    maps.until("coredns", has_mesh, "the mesh's part, allowed again")


def test_nothing_more_is_permitted_than_that(cluster, maps):
    account = "--as=system:serviceaccount:nodeproxy:nodeproxy-dns"

    def may(verb, what, namespace):
        return cluster.kubectl("auth", "can-i", verb, what, f"--namespace={namespace}", account).returncode == 0

    assert may("patch", "configmaps/coredns", "kube-system")
    assert not may("patch", "configmaps/other", "kube-system")
    assert not may("create", "configmaps", "kube-system")
    assert not may("delete", "configmaps/coredns", "kube-system")
    assert not may("patch", "configmaps/coredns", "default")
    assert not may("list", "configmaps", "kube-system")
    assert not may("get", "secrets", "kube-system")


@pytest.mark.parametrize("name", sorted(path.name for path in OVERLAYS.iterdir()))
def test_every_overlay_is_one_that_the_api_server_takes(cluster, maps, name):
    flags = ("--dry-run=server", "--validate=strict", "--output=name", f"--kustomize={OVERLAYS / name}")

    done = cluster.kubectl("apply", *flags)

    assert done.returncode == 0, done.stderr
    names = [
        f"{kind.partition('.')[0]}/{name}" for kind, _, name in (line.partition("/") for line in done.stdout.split())
    ]
    assert names[0] == "namespace/nodeproxy"  # by whose end the keeper sees an uninstall
    assert names.index("rolebinding/nodeproxy-dns") > names.index("daemonset/nodeproxy")  # what it needs for it


def test_in_k3s_the_configmap_that_is_imported_is_made(cluster, maps, tmp_path):
    maps.put("coredns", Corefile=K3S)
    apply(cluster, OVERLAYS / "k3s")

    with Keeper(cluster, tmp_path, manifests=OVERLAYS / "k3s"):
        data = maps.until("coredns-custom", lambda it: it, "coredns-custom")

    assert sorted(data) == ["nodeproxy.override", "nodeproxy.server"]
    assert cluster.kubectl("delete", f"--filename={OVERLAYS / 'k3s' / 'create.yaml'}").returncode == 0
