"""`protocol`: which settings there are, and which are refused with what is wrong."""

import pytest

from nodeproxy.mesh.model import Port
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.policies.table import PolicyRefused, settings_of

VALUES = ("http", "http2", "tls", "tcp", "detect")
HTTP, DETECT, TCP = (Port(80, protocol=each) for each in ("http", "detect", "tcp"))
UDP, SCTP = (Port(80, protocol=each, transport=each) for each in ("udp", "sctp"))


@pytest.mark.parametrize("value", VALUES)
def test_a_protocol_is_one_that_workers_can_serve_over_tcp(value):
    settings = settings_of({"protocol": {"default": value, "ports": {"1": value, "65535": value}}})["protocol"]

    assert (settings.default, settings.ports) == (value, {"1": value, "65535": value})


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"default": "udp"}, "protocol.default: expected one of http, http2, tls, tcp, detect, got 'udp'"),
        (
            {"ports": {"80": "HTTP"}},
            "protocol.ports.80: expected one of http, http2, tls, tcp, detect, got 'HTTP'",
        ),
        ({"port": {}}, "protocol.port: no such field"),
        (
            {"ports": {str(number): "tcp" for number in range(1, 66)}},
            "protocol.ports: the mapping should have at most 64 items, got {'1': 'tcp', ",
        ),
        *(
            ({"ports": {key: "tcp"}}, f"protocol.ports: expected the number of a port, 1 to 65535, as key: '{key}' is")
            for key in ("0", "http", "-1", "65536", "080", "80/udp", "", "٨٠", "9" * 40)
        ),
    ],
)
def test_what_is_no_protocol_or_no_port_is_refused_with_what_is_wrong(written, told):
    with pytest.raises(PolicyRefused) as refused:
        settings_of({"protocol": written})

    assert refused.value.problems[0].startswith(told)


def test_a_policy_acts_where_something_is_subject_to_it():
    acts = {policy.name: [policy.acts_on(port) for port in (HTTP, DETECT, TCP, UDP, SCTP)] for policy in CHAIN}

    assert acts["retries"] == acts["fallback"] == [True, True, False, False, False]
    assert acts["healthCheck"] == acts["protocol"] == [True, True, True, False, False]
    assert acts["loadBalancer"] == acts["connectionPool"] == acts["timeouts"] == [True, True, True, True, False]
    assert all(acts[policy.name][2] for policy in BUILT_IN.connections)
