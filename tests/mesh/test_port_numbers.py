"""Ports and what is as usual in a service: which are served, under which key, and what is said of the others."""

import pytest

from nodeproxy.mesh.model import Caller, Endpoint, Port, Service, port_key
from nodeproxy.mesh.unserved import NO_ADDRESS, PORTS_NAMED, not_http, unserved


@pytest.mark.parametrize(("transport", "key"), [("tcp", "80"), ("udp", "80/udp"), ("sctp", "80/sctp")])
def test_a_ports_key_names_every_transport_but_tcp(transport, key):
    assert port_key(80, transport) == Port(80, transport=transport).key == key


ADDRESS = "127.77.0.9"
PAST = "call web.shop.svc:80, past the mesh"


@pytest.mark.parametrize(
    ("protocol", "requests", "connections"),
    [("http", 1, 0), ("http2", 1, 0), ("detect", 1, 1), ("tls", 0, 1), ("tcp", 0, 1)],
)
def test_every_tcp_port_is_served_and_takes_what_its_protocol_has(protocol, requests, connections):
    port = Port(80, protocol=protocol)

    assert port.served
    assert (port.takes_requests, port.takes_connections) == (bool(requests), bool(connections))


@pytest.mark.parametrize(("transport", "served"), [("udp", True), ("sctp", False)])
def test_udp_is_served_and_sctp_is_not_and_neither_takes_requests_or_connections(transport, served):
    port = Port(80, protocol=transport, transport=transport)

    assert (port.served, port.takes_requests, port.takes_connections) == (served, False, False)


@pytest.mark.parametrize("address", [ADDRESS, ""])
def test_http_needs_no_address_of_the_service(address):
    assert not any(unserved(Service("shop", "web", address), Port(80, protocol=each)) for each in ("http", "detect"))


@pytest.mark.parametrize(("protocol", "speaks"), [("tcp", "TCP that is not HTTP"), ("tls", "TLS"), ("udp", "UDP")])
def test_all_else_is_served_at_the_address_of_the_service_alone(protocol, speaks):
    port = Port(80, protocol=protocol, transport="udp" if protocol == "udp" else "tcp")

    assert unserved(Service("shop", "web", ADDRESS), port) == ""
    without = f"port 80 speaks {speaks}, which is served at a virtual address only, and {NO_ADDRESS}: {PAST}"
    assert unserved(Service("shop", "web"), port) == not_http(Service("shop", "web"), [port]) == without


@pytest.mark.parametrize("address", [ADDRESS, ""])
def test_sctp_is_not_served_at_all(address):
    service, port = Service("shop", "web", address), Port(80, protocol="sctp", transport="sctp")

    assert unserved(service, port) == f"port 80 speaks SCTP, which the mesh does not serve: {PAST}"
    assert not_http(service, [port]) == unserved(service, port)


def test_an_endpoint_is_nearest_and_a_service_everywhere_unless_they_say_otherwise():
    assert Endpoint("10.0.0.1", 80).distance == 0
    assert not Service("shop", "web").only_local and not Service("shop", "web").unsubscribed
    assert Service("shop", "web").affinity_s == 0


def test_a_caller_cannot_be_changed():
    caller = Caller("10.0.0.1", "shop", "cart")

    with pytest.raises(AttributeError):
        caller.namespace = "bank"


def test_how_to_connect_is_said_of_those_ports_that_are_served():
    sctp, tcp = Port(2905, protocol="sctp", transport="sctp"), Port(5432, protocol="tcp")

    said = not_http(Service("shop", "db", ADDRESS), [sctp, tcp])

    assert said.startswith("port 5432 speaks TCP that is not HTTP, which is no HTTP") and "SCTP" not in said
    assert f"connect to db.shop.mesh:5432, its own address {ADDRESS}; where it speaks HTTP after all" in said


def test_of_many_ports_without_http_the_first_are_named():
    ports = [Port(number, protocol="tls") for number in range(1, PORTS_NAMED + 3)]

    for address in (ADDRESS, ""):
        said = not_http(Service("shop", "web", address), ports)

        assert said.count(" speaks TLS") == PORTS_NAMED and f"port {PORTS_NAMED} speaks" in said
