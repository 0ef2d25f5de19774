"""What the kernel says of a TCP socket, and its options; reads and writes are `channel.SocketChannel`'s."""

import fcntl
import select
import socket
import struct
import sys
import termios
from contextlib import suppress

_KEEPALIVE = (  # a peer that vanished is noticed after two minutes; Linux alone takes two hours
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 15),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPCNT), 4),
)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
_NONE = bytes(4)


def has_input(sock: socket.socket) -> bool:
    """Whether there is something to read: bytes, an end or an error."""
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def unread(sock: socket.socket) -> bytes:
    """All bytes that have come and were not read; they can still be read. Source: tcp(7), SIOCINQ."""
    size = int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, _NONE), sys.byteorder)
    return sock.recv(size, socket.MSG_PEEK) if size else b""


def has_unsent(sock: socket.socket) -> bool:
    """Whether the peer has not received all that was sent. Source: tcp(7), SIOCOUTQ."""
    return fcntl.ioctl(sock, termios.TIOCOUTQ, _NONE) != _NONE


def hung_up(sock: socket.socket) -> bool:
    """Whether the peer can receive nothing more: both directions have ended, or it has reset the connection."""
    poll = select.poll()
    poll.register(sock, 0)
    return bool(poll.poll(0))


def keep_alive(sock: socket.socket) -> None:
    """Let the kernel probe a silent peer, and break the connection when the peer's host is gone."""
    for option, value in _KEEPALIVE:
        sock.setsockopt(*option, value)


def close_by_reset(sock: socket.socket) -> None:
    """Let its close be seen as an error (RST) by the peer."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
