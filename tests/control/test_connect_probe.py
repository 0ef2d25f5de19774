"""Probes of ports that carry no HTTP: an endpoint is healthy while it accepts connections."""

import socket

import pytest
import trio

from nodeproxy.control import probes
from nodeproxy.control.connect_probe import connects
from nodeproxy.control.probes import Probing, probe_all
from nodeproxy.protocol.proxy_v2 import LOCAL
from nodeproxy.telemetry.stats import SHORTAGES
from tests.fakes.descriptors import none_left
from tests.fakes.probing import PATIENCE_S, Probed, Table

pytestmark = pytest.mark.trio


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def name_of(listener):
    return f"127.0.0.1:{listener.getsockname()[1]}"


async def accepted(listener):
    """What a probe has said by the time it is over."""
    sock = trio.socket.from_stdlib_socket(listener)
    with trio.fail_after(PATIENCE_S):
        peer, _ = await sock.accept()
        said = b""
        while more := await peer.recv(100):
            said += more
    peer.close()
    return said


async def test_a_connection_that_is_accepted_is_a_success(listener):
    assert await connects(name_of(listener), b"", PATIENCE_S) is True
    assert await accepted(listener) == b""


async def test_it_may_begin_with_a_header(listener):
    assert await connects(name_of(listener), LOCAL, PATIENCE_S) is True
    assert await accepted(listener) == LOCAL


async def test_one_that_is_refused_is_a_failure(listener):
    name = name_of(listener)
    listener.close()

    assert await connects(name, b"", PATIENCE_S) is False


async def test_one_that_is_not_answered_in_time_is_a_failure():
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (one, two):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())

        assert await connects(name_of(full), b"", 0.05) is False


async def test_over_ipv6():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert await connects(f"[::1]:{server.getsockname()[1]}", b"", PATIENCE_S) is True


async def test_without_a_descriptor_there_is_no_result(listener):
    name = name_of(listener)
    with none_left():
        assert await connects(name, b"", PATIENCE_S) is None


async def test_health_follows_the_probes(listener, nursery, monkeypatch):
    monkeypatch.setattr(probes, "LOOK_EVERY_S", 0.02)
    address = listener.getsockname()
    one = Probed(name_of(listener), connects=True)
    nursery.start_soon(probe_all, Table(one.target), Probing(lambda: 0.0, dict.fromkeys(SHORTAGES, 0)))
    await accepted(listener)

    listener.close()
    assert await one.change() == "down"
    with socket.create_server(address):
        assert await one.change() == "up"
