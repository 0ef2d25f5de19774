"""What a Service asks for besides its ports, on a whole node: near endpoints, one endpoint per client, other names."""

import json
import socket

import pytest

from tests.discovery.kube import endpoint, file_of, service, slice_of
from tests.fakes.dns import Zone, serving
from tests.fakes.node import Node, server, until

KEY = "shop/web"


def node(folder, **settings):
    """A node with settings that have no flag."""
    config = folder.parent / "settings.yaml"
    config.write_text(json.dumps(settings))
    return Node(folder, "--config", str(config))


def write(folder, *slices, **spec):
    (folder / "web.yaml").write_bytes(file_of(service(KEY, **spec), *slices))


def at(port, name, family="IPv4", address="127.0.0.1", **where):
    """A slice with one endpoint that listens there."""
    ports = [{"name": "http", "port": port}]
    return slice_of(KEY, endpoint(address, **where), name=name, ports=ports, family=family)


def answers(running, times=12, host="web.shop.mesh"):
    return {running.get(host) for _ in range(times)}


def test_the_node_s_own_endpoint_serves_until_it_is_gone_and_then_the_zone_s(folder):
    with server("here") as here, server("zone") as zone, server("far") as far:
        slices = [
            at(here, "a", nodeName="node-1", zone="zone-a"),
            at(zone, "b", nodeName="node-2", zone="zone-a"),
            at(far, "c", nodeName="node-3", zone="zone-b"),
        ]
        write(folder, *slices, trafficDistribution="PreferSameNode")
        with node(folder, node_name="node-1", zone="zone-a") as running:
            nearest = answers(running)
            write(folder, *slices[1:], trafficDistribution="PreferSameNode")
            until(lambda: running.answers("web.shop.mesh", 200, "zone"), "the next tier")
            same_zone = answers(running)
            write(folder, *slices[2:], trafficDistribution="PreferSameNode")
            until(lambda: running.answers("web.shop.mesh", 200, "far"), "the last tier")

    assert nearest == {(200, "here")} and same_zone == {(200, "zone")}


def test_a_service_that_insists_on_its_node_is_refused_with_the_reason_rather_than_served_elsewhere(folder):
    with server("here") as here, server("far") as far:
        slices = [at(here, "a", nodeName="node-1"), at(far, "b", nodeName="node-2")]
        write(folder, *slices, internalTrafficPolicy="Local")
        with node(folder, node_name="node-1") as running:
            local = answers(running)
            write(folder, slices[1], internalTrafficPolicy="Local")
            until(lambda: running.answers("web.shop.mesh", 503), "the refusal")
            status, told = running.get("web.shop.mesh")

    assert local == {(200, "here")} and status == 503
    assert "internalTrafficPolicy is Local and no endpoint on this node is ready" in told
    assert "PreferSameNode prefers instead of insisting" in told


def test_a_client_keeps_its_endpoint_whichever_worker_serves_it(folder):
    with server("one") as one, server("two") as two, server("three") as three:
        slices = [at(port, name) for port, name in ((one, "a"), (two, "b"), (three, "c"))]
        write(folder, *slices, sessionAffinity="ClientIP")
        with Node(folder, "--workers", "2") as running:
            seen = answers(running, times=40)

    assert len(seen) == 1


def test_a_pod_of_a_headless_service_is_called_by_its_own_name(folder):
    with server("zero") as zero, server("one") as one:
        slices = [at(zero, "a", hostname="web-0"), at(one, "b", hostname="web-1")]
        write(folder, *slices, clusterIP="None")
        with Node(folder) as running:
            called = [answers(running, 4, host=f"web-{number}.web.shop.mesh") for number in (1, 0)]
            unknown = running.get("web-2.web.shop.mesh")

    assert called == [{(200, "one")}, {(200, "zero")}]
    assert unknown[0] == 404 and "has no ready pod web-2; it has web-0, web-1" in unknown[1]


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_endpoints_with_ipv6_addresses_alone_are_served(folder):
    with server("six", host="::1") as port:
        write(folder, at(port, "a", family="IPv6", address="::1"), ipFamilies=["IPv6"])
        with Node(folder) as running:
            seen = answers(running, 4)

    assert seen == {(200, "six")}


def test_an_external_name_is_served_where_its_name_leads_and_follows_it(folder):
    zone = Zone(bank_example=[("CNAME", 1, "host.example.")], host_example=[("A", 1, "127.0.0.1")])
    with server("one") as port, serving(zone):
        ports = [{"name": "http", "port": port}]
        alias = service("shop/bank", ports=ports, type="ExternalName", externalName="bank.example", clusterIP="")
        (folder / "bank.yaml").write_bytes(file_of(alias))
        with node(folder, resolver=f"127.0.0.1:{zone.port}") as running:
            until(lambda: running.answers("bank.shop.mesh", 200, "one"), "the first address")
            zone.records["host.example"] = [("A", 1, "127.0.0.2")]
            until(lambda: running.answers("bank.shop.mesh", 503), "the second address, where nobody listens")
            zone.records["host.example"] = [("A", 1, "127.0.0.1"), ("A", 1, "169.254.169.254")]
            until(lambda: running.answers("bank.shop.mesh", 200, "one"), "the first address again")
            until(lambda: "169.254.169.254 is not called" in running.log.read_text(), "the refusal to be told")
            del zone.records["host.example"]
            until(lambda: "there is no such name" in running.log.read_text(), "the failure to be told")
            kept = answers(running, 4, host="bank.shop.mesh")

    assert kept == {(200, "one")}
