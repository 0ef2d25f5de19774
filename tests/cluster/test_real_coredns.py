"""The Corefile that the keeper writes, in a real CoreDNS, between a client and the node's own DNS."""

import os
import subprocess
import sys
from contextlib import contextmanager

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.cluster.control_plane import ADMIN, free_port
from tests.cluster.keeper import ConfigMaps, Keeper, apply, delete
from tests.fakes.coredns import CoreDns
from tests.fakes.node import until

LIMIT_S = 10
ALSO_ZONES = "traefik.mesh,maesh"
SEARCHED = "mesh.dns-shop.svc.cluster.local"  # where a pod of the namespace dns-shop asks first

SERVICES = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dns-shop"}},
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "dns-shop"},
        "spec": {"clusterIP": "10.96.7.7", "ports": [{"name": "http", "port": 80}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "pods", "namespace": "dns-shop"},
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]},
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "pods-1",
            "namespace": "dns-shop",
            "labels": {"kubernetes.io/service-name": "pods"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 80}],
        "endpoints": [{"addresses": [f"10.1.0.{number}"], "hostname": "all"} for number in range(1, 101)],
    },
]


def corefile(cluster, port):
    """That of kubeadm, on loopback."""
    return f"""\
.:{port} {{
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
       kubeconfig {cluster.kubeconfig(ADMIN)}
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    forward . 127.0.0.1:1
    cache 30
    reload 2s 1s
    loadbalance
}}
"""


def ask(port, name, kind="A", how=dns.query.udp, **options):
    """The answer of the server at this port, None while there is no server."""
    try:
        return how(dns.message.make_query(name, kind, **options), "127.0.0.1", timeout=LIMIT_S, port=port)
    except (dns.exception.DNSException, OSError):
        return None


def records(answer):
    return sorted(record.to_text() for rrset in answer.answer for record in rrset)


@contextmanager
def ended(command, env, log):
    """A process that ends with the test."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=env) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def cluster_dns(cluster, tmp_path_factory):
    """The port of a CoreDNS whose Corefile the keeper wrote, with the node's DNS behind it."""
    folder = tmp_path_factory.mktemp("dns")
    port, node_port, listen, admin = free_port(), free_port(), free_port(), free_port()
    apply(cluster)
    cluster.apply(*SERVICES)
    maps = ConfigMaps(cluster)
    maps.put("coredns", Corefile=corefile(cluster, port))
    command = [
        sys.executable, "-m", "nodeproxy", "run", "--discovery", f"kube:{cluster.kubeconfig(ADMIN)}",
        "--dns", f"127.0.0.1:{node_port}", "--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{admin}",
    ]  # fmt: skip
    with (
        ended(command, {**os.environ, "NODEPROXY_ALSO_ZONES": ALSO_ZONES}, folder / "node.log"),
        CoreDns(folder, corefile(cluster, port)) as coredns,
    ):
        # not yet told of the mesh
        until(lambda: (answer := ask(port, "web.dns-shop.svc.cluster.local")) and answer.answer, "the cluster's DNS")
        assert ask(port, f"web.{SEARCHED}").rcode() == dns.rcode.NXDOMAIN
        with Keeper(cluster, folder, address=f"127.0.0.1:{node_port}", also_zones=ALSO_ZONES):
            written = maps.until("coredns", lambda it: "mesh:" in it["Corefile"], "the mesh's part")["Corefile"]
        coredns.write(written)  # as kubelet does
        until(lambda: (answer := ask(port, "web.dns-shop.mesh")) and answer.answer, "the mesh's part by a reload")
        yield port
    maps.delete()
    delete(cluster)


@pytest.mark.parametrize("how", [dns.query.udp, dns.query.tcp])
def test_a_mesh_name_leads_to_its_virtual_address(cluster_dns, how):
    answer = ask(cluster_dns, "web.dns-shop.mesh", how=how)

    assert records(answer) == ["127.77.7.7"]
    assert answer.answer[0].ttl <= 5


@pytest.mark.parametrize("how", [dns.query.udp, dns.query.tcp])
@pytest.mark.parametrize("name", [f"web.{SEARCHED}", f"WEB.{SEARCHED.upper()}"])
def test_the_first_step_of_the_search_path_leads_to_the_service_of_the_pods_own_namespace(cluster_dns, name, how):
    answer = ask(cluster_dns, name, how=how)

    assert answer.rcode() == dns.rcode.NOERROR
    assert records(answer) == ["127.77.7.7", "web.dns-shop.mesh."]
    assert answer.answer[0].name == answer.question[0].name
    assert max(rrset.ttl for rrset in answer.answer) <= 5


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("nope.dns-shop.mesh", "A", dns.rcode.NXDOMAIN),
        ("web.nowhere.mesh", "A", dns.rcode.NXDOMAIN),
        ("web.dns-shop.mesh", "AAAA", dns.rcode.NOERROR),
        ("web.dns-shop.mesh", "TXT", dns.rcode.NOERROR),
        ("dns-shop.mesh", "A", dns.rcode.NOERROR),
        ("web.mesh.svc.cluster.local", "A", dns.rcode.NXDOMAIN),
        (f"web.dns-shop.{SEARCHED}", "A", dns.rcode.NXDOMAIN),
        (f"_http._tcp.web.{SEARCHED}", "SRV", dns.rcode.NXDOMAIN),
    ],
)
def test_what_there_is_not_is_said_so(cluster_dns, name, kind, status):
    answer = ask(cluster_dns, name, kind)

    assert (answer.rcode(), records(answer)) == (status, [])
    assert answer.authority[0].ttl <= 30


@pytest.mark.parametrize(("service", "kind"), [("web", "AAAA"), ("nope", "A")])
def test_on_the_search_path_there_is_no_address_where_the_service_has_none(cluster_dns, service, kind):
    answer = ask(cluster_dns, f"{service}.{SEARCHED}", kind)

    assert records(answer) == [f"{service}.dns-shop.mesh."]


@pytest.mark.parametrize("zone", ALSO_ZONES.split(","))
def test_names_in_further_zones_lead_to_the_same_address(cluster_dns, zone):
    answer, missing = ask(cluster_dns, f"web.dns-shop.{zone}"), ask(cluster_dns, f"nope.dns-shop.{zone}")

    assert records(answer) == ["127.77.7.7"]
    assert missing.rcode() == dns.rcode.NXDOMAIN and str(missing.authority[0].name) == f"{zone}."


def test_a_port_of_a_service_is_found_by_name(cluster_dns):
    answer = ask(cluster_dns, "_http._tcp.web.dns-shop.mesh", "SRV")

    assert records(answer) == ["0 100 80 web.dns-shop.mesh."]


def test_what_is_too_large_for_a_datagram_comes_by_a_larger_one_or_by_tcp(cluster_dns):
    name = "all.pods.dns-shop.mesh"
    short, whole = ask(cluster_dns, name), ask(cluster_dns, name, how=dns.query.tcp)
    extended = ask(cluster_dns, "web.dns-shop.mesh", use_edns=0, payload=1232)

    assert short.flags & dns.flags.TC
    assert len(records(whole)) == 100
    assert extended.edns == 0 and records(extended) == ["127.77.7.7"]


def test_the_clusters_own_names_are_answered_as_before(cluster_dns):
    assert records(ask(cluster_dns, "web.dns-shop.svc.cluster.local")) == ["10.96.7.7"]
    assert ask(cluster_dns, "nope.dns-shop.svc.cluster.local").rcode() == dns.rcode.NXDOMAIN
    assert records(ask(cluster_dns, "_http._tcp.web.dns-shop.svc.cluster.local", "SRV")) == [
        "0 100 80 web.dns-shop.svc.cluster.local."
    ]
