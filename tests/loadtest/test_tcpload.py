"""tcpload and tcpserver on real sockets: what they count, and that they notice what a relay loses or changes."""

import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from loadtest.errors import BenchmarkError
from loadtest.peer import NO_PROXY
from loadtest.relay.peers import SOCKS_ANSWER_BYTES, Relay, echoes, socks_to, tcp_servers
from loadtest.relay.work import CONNECT, ROUND_TRIP, UPLOAD, WORKS, check, load_of
from loadtest.toolbox import Toolbox

SECONDS = 0.2

pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("taskset")), reason="tcpload is compiled and pinned at run time"
)


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory):
    """One for all: the programs are compiled once."""
    return Toolbox(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def behind(toolbox, tmp_path):
    with tcp_servers(toolbox, tmp_path) as servers:
        yield servers


def straight(behind):
    return Relay(NO_PROXY, {service: ("127.0.0.1", port) for service, port in behind.ports.items()})


def copy(source, sink, change):
    """Until one of them ends, which ends both."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(change(data))
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def carry(client, port, up, down, socks=False):
    """With `socks` the port is that of the client's request."""
    with client:
        if socks:
            port = int.from_bytes(client.recv(13, socket.MSG_WAITALL)[-2:], "big")
            client.sendall(bytes(SOCKS_ANSWER_BYTES))
        join(client, port, up, down)


def join(client, port, up, down):
    with socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=copy, args=(server, client, down))
        back.start()
        copy(client, server, up)
        back.join()


def accept(listener, *how):
    with listener, ThreadPoolExecutor(32) as carriers:
        while client := accepted(listener):
            carriers.submit(carry, client, *how)


def accepted(listener):
    try:
        return listener.accept()[0]
    except OSError:  # it was shut down
        return None


@pytest.fixture
def python_relay(behind):
    """A relay that may change the pieces that it carries, in one direction or both, or be one of SOCKS."""
    listeners, threads = [], []

    def serve(up=bytes, down=bytes, socks=False):
        at = {}
        for service, port in behind.ports.items():
            listeners.append(listener := socket.create_server(("127.0.0.1", 0)))
            at[service] = listener.getsockname()
            threads.append(threading.Thread(target=accept, args=(listener, 0 if socks else port, up, down, socks)))
            threads[-1].start()
        return Relay("bad", at, preface={name: socks_to(port) for name, port in behind.ports.items() if socks})

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


def flipped(data):
    """The last byte changed: the first one selects the work."""
    return data[:-1] + bytes([data[-1] ^ 1]) if len(data) > 1 else data


def shortened(data):
    return data[:-1] if len(data) > 1 else data


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_each_work_moves_something_and_has_no_errors(work, toolbox, behind):
    seen = load_of(toolbox, straight(behind), work, behind, SECONDS)

    assert not any(seen.errors.values())
    assert seen.bytes > 0 if work.per_byte else seen.units > 0
    assert work.per_byte or 0 < seen.p50_s <= seen.p99_s


def test_the_endpoints_carry_bytes_as_they_are(toolbox, behind):
    check(toolbox, straight(behind), behind)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_relay_that_changes_a_byte_is_not_measured(direction, toolbox, behind, python_relay):
    with pytest.raises(BenchmarkError, match="bad does not carry bytes as they are"):
        check(toolbox, python_relay(**{direction: flipped}), behind)


def test_a_changed_echo_is_counted_as_wrong(toolbox, behind, python_relay):
    seen = load_of(toolbox, python_relay(down=flipped), ROUND_TRIP, behind, SECONDS)

    assert seen.errors["wrong"] > 0
    assert seen.units == 0


def test_bytes_that_do_not_arrive_are_noticed_by_their_number(toolbox, behind, python_relay):
    seen = load_of(toolbox, python_relay(up=shortened), UPLOAD, behind, SECONDS)

    assert seen.errors["wrong"] == UPLOAD.connections


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_a_relay_may_be_asked_by_socks(work, toolbox, behind, python_relay):
    seen = load_of(toolbox, python_relay(socks=True), work, behind, SECONDS)

    assert not any(seen.errors.values())
    assert seen.bytes > 0 if work.per_byte else seen.units > 0


def test_an_address_where_nothing_listens_ends_the_run_soon(toolbox, behind):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = Relay("closed", {"echo": listener.getsockname()})

    seen = load_of(toolbox, closed, CONNECT, behind, 10)

    assert seen.errors["failed"] > 100
    assert seen.duration_s < 10
    assert not echoes(closed)
