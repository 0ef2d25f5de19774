"""The protocol of a port, from its declaration."""

import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from

from discovery.kubernetes.objects import ServicePort
from discovery.services.spoken import protocol_of, transport_of

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
    "http": (None, "", "http", "http-web", "web", "web-ui", "ws", "ws-chat", "http1", "metrics", "grpcapi", "8080"),
    "http2": ("http2", "http2-web", "h2c-api", "grpc-api", "grpc"),
    "tls": ("https", "https-web", "tls-db", "wss-chat", "wss"),
    "tcp": ("tcp", "tcp-db", "udp-dns", "mysql", "redis-cache", "mongo"),
}


@pytest.mark.parametrize(("protocol", "said"), [(key, word) for key, words in SAID.items() for word in words])
@pytest.mark.parametrize("name", [None, "tcp-x", "http"])
def test_a_port_speaks_what_its_app_protocol_says_whatever_its_name(protocol, said, name):
    assert protocol_of(ServicePort(80, name, None, said)) == protocol


@pytest.mark.parametrize(("protocol", "name"), [(key, word) for key, words in NAMED.items() for word in words])
@pytest.mark.parametrize("said", [None, "", "example.com/ours"])
def test_without_one_it_speaks_what_its_name_begins_with_else_http(protocol, name, said):
    assert protocol_of(ServicePort(80, name, "TCP", said)) == protocol


@given(
    name=sampled_from(["http", "tcp", "udp", "grpc", None]),
    said=sampled_from(["http", "grpc", "x/y", None]),
    transport=sampled_from(["UDP", "SCTP"]),
)
def test_a_port_that_is_not_of_tcp_speaks_its_transport_whatever_it_is_called(name, said, transport):
    port = ServicePort(53, name, transport, said)

    assert protocol_of(port) == transport_of(port.protocol) == transport.lower()
