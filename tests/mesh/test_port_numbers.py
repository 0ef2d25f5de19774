"""Ports and what is as usual in a service: which are carried, under which key, and what is said of the others."""

import pytest

from nodeproxy.mesh.model import Caller, Endpoint, Port, Service, port_key
from nodeproxy.mesh.unserved import PORTS_NAMED, unserved


@pytest.mark.parametrize(("transport", "key"), [("tcp", "80"), ("udp", "80/udp"), ("sctp", "80/sctp")])
def test_a_ports_key_names_every_transport_but_tcp(transport, key):
    assert port_key(80, transport) == Port(80, transport=transport).key == key


@pytest.mark.parametrize("protocol", ["http", "http2", "tls", "tcp", "udp", "sctp"])
@pytest.mark.parametrize("transport", ["tcp", "udp", "sctp"])
def test_http_over_tcp_is_served_and_nothing_else(protocol, transport):
    served = protocol in ("http", "http2") and transport == "tcp"

    assert Port(80, protocol=protocol, transport=transport).served is served


def test_an_endpoint_is_nearest_and_a_service_everywhere_unless_they_say_otherwise():
    assert Endpoint("10.0.0.1", 80).distance == 0
    assert not Service("shop", "web").only_local and not Service("shop", "web").unsubscribed
    assert Service("shop", "web").affinity_s == 0


def test_a_caller_cannot_be_changed():
    caller = Caller("10.0.0.1", "shop", "cart")

    with pytest.raises(AttributeError):
        caller.namespace = "bank"


def test_of_many_unserved_ports_the_first_are_named():
    ports = [Port(number, protocol="tls") for number in range(1, PORTS_NAMED + 3)]

    said = unserved("shop", "web", ports)

    assert said.count(" speaks TLS") == PORTS_NAMED and f"port {PORTS_NAMED} speaks" in said
