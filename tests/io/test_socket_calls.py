"""Both implementations receive and send the same; Python's is the law."""

import errno
import os
import signal
import socket
import sys
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.io import calls, parking, socket_calls
from nodeproxy.io.socket_calls import RECEIVE_BYTES

BOTH = [pytest.param(socket_calls, id="python")]
if calls.COMPILED:
    from nodeproxy.io import twin

    BOTH.append(pytest.param(twin, id="compiled"))
both = pytest.mark.parametrize("tested", BOTH)
PARKS = {"python": parking.park, **({"compiled": twin.park} if calls.COMPILED else {})}


@contextmanager
def connected():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            near.setblocking(False)
            yield near, far


def next_of(tested, sock):
    while (data := tested.receive(sock.fileno())) is None:
        pass
    return data


@pytest.mark.parametrize("park", PARKS.values(), ids=PARKS)
def test_a_park_is_one_wait_however_it_is_awaited(park):
    async def parked():
        await park()
        return "resumed"

    task, steps = parked(), park().__await__()
    assert (task.send(None), next(steps)) == (None, None)

    with pytest.raises(StopIteration) as end:
        task.send(None)
    assert end.value.value == "resumed" and list(steps) == []


@both
def test_what_has_come_is_received_up_to_one_read(tested):
    with connected() as (near, far):
        assert tested.receive(near.fileno()) is None

        far.sendall(b"some")
        assert tested.receive(near.fileno()) == b"some"

        far.shutdown(socket.SHUT_WR)
        assert tested.receive(near.fileno()) == b""


@both
def test_no_more_than_one_read_comes_at_once(tested):
    with connected() as (near, far):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * RECEIVE_BYTES)
        data = bytes(range(256)) * (RECEIVE_BYTES // 256) + b"more"
        far.sendall(data)
        while len(near.recv(2 * RECEIVE_BYTES, socket.MSG_PEEK)) < len(data):
            pass

        assert tested.receive(near.fileno()) == data[:RECEIVE_BYTES]
        assert tested.receive(near.fileno()) == b"more"


@both
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_the_socket_takes_is_sent_and_then_nothing(tested, kind):
    with connected() as (near, far):
        piece, sent = kind(bytes(100_000)), 0
        while taken := tested.send(near.fileno(), piece):
            assert 0 < taken <= len(piece)
            sent += taken

        received = 0
        while received < sent:
            received += len(far.recv(1 << 20))
        assert received == sent and tested.send(near.fileno(), kind(b"last")) == 4
        assert far.recv(10) == b"last"


@both
def test_nothing_is_sent_and_no_earlier_error_told(tested):
    with connected() as (near, _):
        with pytest.raises(OSError, match="Bad file descriptor"):
            tested.send(-1, b"x")

        assert tested.send(near.fileno(), b"") == 0


@both
def test_what_was_sent_is_not_held(tested):
    with connected() as (near, _):
        data = bytearray(b"sent")
        assert tested.send(near.fileno(), data) == 4

        data += b"and more"  # a BufferError while anything has a view of it


class Alarm(Exception):
    pass


@contextmanager
def alarm(handler):
    """Calls `handler` in a moment, where a system call is interrupted for it."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@both
def test_a_signal_is_handled_within_a_call_which_goes_on(tested):
    clients = []
    with socket.create_server(("127.0.0.1", 0)) as listener:  # which blocks: no other call is long enough
        with alarm(lambda *_: clients.append(socket.create_connection(listener.getsockname()))):
            descriptor, _ = tested.accept(listener)

        (client,) = clients
        with client, socket.socket(fileno=descriptor) as accepted:
            assert accepted.getpeername() == client.getsockname()


@both
def test_what_the_handler_of_a_signal_raises_ends_the_call(tested):
    def handler(*_):
        raise Alarm

    with socket.create_server(("127.0.0.1", 0)) as listener, alarm(handler), pytest.raises(Alarm):
        tested.accept(listener)


@both
def test_a_broken_connection_is_an_error_and_no_signal(tested):
    with connected() as (near, far):
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        with pytest.raises(ConnectionResetError):
            next_of(tested, near)
        with pytest.raises(BrokenPipeError):
            tested.send(near.fileno(), b"x")


@both
def test_a_closed_descriptor_is_an_error(tested):
    for call in (lambda: tested.receive(-1), lambda: tested.send(-1, b"x")):
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            call()
        assert caught.value.errno == errno.EBADF


@both
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_waits_is_accepted_in_turn_and_does_not_block(tested, family, address):
    with socket.create_server((address, 0), family=family) as listener:
        listener.setblocking(False)
        assert tested.accept(listener) is None

        with (
            socket.create_connection(listener.getsockname()[:2]) as first,
            socket.create_connection(listener.getsockname()[:2]) as second,
        ):
            for client in (first, second):
                descriptor, name = tested.accept(listener)
                with socket.socket(fileno=descriptor) as accepted:
                    assert name == address and accepted.getpeername() == client.getsockname()
                    assert not os.get_blocking(descriptor) and not os.get_inheritable(descriptor)
        assert tested.accept(listener) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        tested.accept(listener)


@both
@pytest.mark.parametrize("arguments", [(), (1,), (1, "text"), (1, 2), ("x", b""), (1, b"", 0), (1 << 40, b"")])
def test_arguments_of_another_kind_are_refused(tested, arguments):
    with pytest.raises((TypeError, OverflowError)):
        tested.send(*arguments)
    with pytest.raises((TypeError, OverflowError)):
        tested.receive("x")


@pytest.mark.skipif(not calls.COMPILED, reason="the compiled twin was not built")
def test_the_twin_keeps_no_number_of_a_listener():
    number = 1 << 20  # Python has one object of each small number

    class Listener:
        def fileno(self):
            return number

    before = sys.getrefcount(number)
    for _ in range(3):
        with pytest.raises(OSError, match="Bad file descriptor"):
            twin.accept(Listener())

    assert sys.getrefcount(number) == before


@pytest.mark.skipif(not calls.COMPILED, reason="the compiled twin was not built")
@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 200_000), st.just("receive")), max_size=20))
def test_any_conversation_is_the_same(conversation):
    """Sizes to send, and reads at the other end; unix sockets, whose buffers do not depend on time."""
    outcomes = []
    for tested in (socket_calls, twin):
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.setblocking(False)
            outcomes.append([
                tested.receive(far.fileno()) if step == "receive" else tested.send(near.fileno(), b"%d" % step * step)
                for step in conversation
            ])  # fmt: skip
    assert outcomes[0] == outcomes[1]
