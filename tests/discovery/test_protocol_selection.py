"""The protocol of a port: from the policy, its appProtocol, its name, its number; else it is detected."""

import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from

from discovery.kubernetes.services import ServicePort
from discovery.services.protocol_names import NUMBERS, PREFIXES, TCP_NAMES, WORDS
from discovery.services.protocol_selection import protocol_of, selection_of, transport_of

SAID = {
    "http": (
        "http", "HTTP", "http1", "http1.1", "http-alt", "http-web", "http/1.1", "HTTP/1.1", "web", "www", "ws",
        "kubernetes.io/ws", "Kubernetes.io/WS",
    ),
    "http2": ("http2", "h2c", "h2", "grpc", "GRPC", "grpc-web", "kubernetes.io/h2c", "http2-api"),
    "tls": ("https", "HTTPS", "https-alt", "tls", "ssl", "wss", "kubernetes.io/wss"),
    "tcp": ("tcp", "mysql", "redis", "mongo", "postgresql", "ssh", "ws-discovery", "web-cache", "linkerd.io/opaque"),
}  # fmt: skip
NAMED = {
    "http": ("http", "http-web", "web", "web-ui", "ws", "ws-chat", "http1"),
    "detect": (None, "", "metrics", "grpcapi", "8080", "api-http", "HTTP"),
    "http2": ("http2", "http2-web", "h2c-api", "grpc-api", "grpc"),
    "tls": ("https", "https-web", "tls-db", "wss-chat", "wss", "amqps", "ldaps-users"),
    "tcp": ("tcp", "tcp-db", "udp-dns", "mysql", "redis-cache", "mongo", "postgresql", "kafka", "dns-tcp", "smtp"),
}


@pytest.mark.parametrize(("protocol", "said"), [(key, word) for key, words in SAID.items() for word in words])
@pytest.mark.parametrize("name", [None, "tcp-x", "http"])
def test_a_port_speaks_what_its_app_protocol_says_whatever_its_name(protocol, said, name):
    assert protocol_of(ServicePort(80, name, None, said), {}) == protocol


@pytest.mark.parametrize(("protocol", "name"), [(key, word) for key, words in NAMED.items() for word in words])
@pytest.mark.parametrize("said", [None, "", "example.com/ours"])
def test_without_one_it_speaks_what_its_name_begins_with_else_it_is_detected(protocol, name, said):
    assert protocol_of(ServicePort(80, name, "TCP", said), {}) == protocol


@pytest.mark.parametrize("number", NUMBERS)
def test_a_well_known_number_counts_where_neither_says_anything(number):
    known = NUMBERS[number]

    assert selection_of(ServicePort(number, "x"), {}) == (known.protocol, f"port number {number} ({known.name})")
    assert protocol_of(ServicePort(number, "http"), {}) == "http"
    assert protocol_of(ServicePort(number, None, None, "h2c"), {}) == "http2"


def test_the_precedents_are_there():
    istio, linkerd = {25, 53, 3306, 27017}, {25, 587, 3306, 5432, 6379, 9300, 11211}

    assert all(NUMBERS[number].protocol == "tcp" for number in istio | linkerd)
    assert not {80, 4444, 8080, 8443} & NUMBERS.keys()


def test_every_word_is_in_lower_case_and_every_prefix_without_a_dash():
    assert all(word == word.lower() for word in WORDS) and not any("-" in word for word in PREFIXES)
    assert list(TCP_NAMES) == sorted(TCP_NAMES)


DB, PLAIN, MAIL = ServicePort(5433, "mysql"), ServicePort(7000, "x"), ServicePort(25, "x")
BOTH = {"protocol": {"default": "http", "ports": {"5433": "http2", "25": "detect"}}}


@pytest.mark.parametrize(
    ("port", "policies", "protocol", "origin"),
    [
        (DB, {}, "tcp", "name mysql"),
        (ServicePort(80, "mysql", "TCP", "HTTP"), {}, "http", "appProtocol HTTP"),
        (PLAIN, {}, "detect", "default"),
        (PLAIN, {"protocol": None}, "detect", "default"),
        (PLAIN, {"protocol": {"default": None, "ports": None}}, "detect", "default"),
        (PLAIN, BOTH, "http", "policy protocol.default"),
        (DB, BOTH, "http2", "policy protocol.ports"),
        (MAIL, BOTH, "detect", "policy protocol.ports"),
        (MAIL, {"protocol": {"default": "http"}}, "tcp", "port number 25 (SMTP)"),
        (DB, {"protocol": {"default": "http"}}, "tcp", "name mysql"),
    ],
)
def test_the_policy_for_a_port_counts_most_and_its_default_least(port, policies, protocol, origin):
    assert selection_of(port, policies) == (protocol, origin)


@pytest.mark.parametrize(
    ("port", "protocol", "origin"),
    [
        (DB, "tcp", "name mysql; in shadow mode: http2, policy protocol.ports"),
        (PLAIN, "detect", "default; in shadow mode: http, policy protocol.default"),
        (ServicePort(80, "http"), "http", "name http"),
    ],
)
def test_in_shadow_mode_the_policy_changes_nothing_and_is_told(port, protocol, origin):
    assert selection_of(port, {"protocol": {**BOTH["protocol"], "mode": "shadow"}}) == (protocol, origin)


@given(
    name=sampled_from(["http", "tcp", "udp", "grpc", None]),
    said=sampled_from(["http", "grpc", "x/y", None]),
    transport=sampled_from(["UDP", "SCTP"]),
)
def test_a_port_that_is_not_of_tcp_speaks_its_transport_whatever_it_is_called(name, said, transport):
    port = ServicePort(53, name, transport, said)

    told = selection_of(port, {"protocol": {"default": "http", "ports": {"53": "tcp"}}})

    assert told == (transport_of(port.protocol), f"protocol {transport}") and told.protocol == transport.lower()
