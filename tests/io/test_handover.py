"""Sockets that outlive the worker that opened them."""

import select
import socket
from contextlib import ExitStack

import pytest

from nodeproxy.io.handover import BATCH, HeldSockets
from tests.fakes.descriptors import none_left

WEB = ("connections", "127.77.9.1", 8080)


@pytest.fixture
def kept():
    kept = HeldSockets()
    yield kept
    kept.close()


def listening():
    return socket.create_server(("127.0.0.1", 0))


def refuse():
    raise AssertionError("made anew")


def test_a_socket_outlives_who_opened_it(kept):
    sock = kept.opened(WEB, listening)
    address = sock.getsockname()
    kept.flush()
    sock.close()  # as when the worker dies

    kept.receive()
    client = socket.create_connection(address)
    again = kept.opened(WEB, refuse)

    with client, again:
        assert again.getsockname() == address and again.accept()[0].close() is None


def test_a_socket_is_sent_once(kept):
    with kept.opened(WEB, listening):
        kept.flush()
        kept.receive()

        kept.flush()

    assert select.select([kept._supervisor], [], [], 0)[0] == []


def test_more_sockets_than_one_message_takes_are_kept(kept):
    keys = [("connections", "127.77.9.1", number) for number in range(2 * BATCH + 1)]
    with ExitStack() as stack:
        for key in keys:
            stack.enter_context(kept.opened(key, socket.socket))
        kept.flush()

    kept.receive()

    assert kept.left("connections") == keys and kept.left("dns-udp") == []


def test_what_the_worker_has_closed_lets_nobody_wait(kept):
    sock = kept.opened(WEB, listening)
    address = sock.getsockname()
    kept.flush()
    kept.receive()
    sock.close()

    kept.closed(WEB)
    kept.receive()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_what_the_next_worker_does_not_want_lets_nobody_wait(kept):
    sock = kept.opened(WEB, listening)
    address = sock.getsockname()
    kept.flush()
    sock.close()
    kept.receive()

    kept.closed(*kept.left("connections"))

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_supervisor_that_is_gone_is_no_error(kept):
    kept.begin()
    with kept.opened(WEB, listening) as sock:
        kept.flush()

        assert sock.fileno() >= 0


def test_the_supervisor_holds_no_more_than_leaves_it_descriptors_to_start_processes_with(kept):
    with kept.opened(WEB, listening) as sock:
        full = HeldSockets(ceiling=sock.fileno())  # of a process whose lower numbers are all taken
        address = sock.getsockname()
        full._opened[WEB] = sock
        full.flush()

        full.receive()

    assert full.left("connections") == []
    full.close()
    kept.closed(WEB)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_supervisor_without_descriptors_holds_what_it_can_and_goes_on(kept):
    keys = [("connections", "127.77.9.1", number) for number in range(3)]
    with ExitStack() as stack:
        for key in keys:
            stack.enter_context(kept.opened(key, socket.socket))
        kept.flush()
        with none_left(but=1):
            kept.receive()

    assert kept.left("connections") == keys[:1]
