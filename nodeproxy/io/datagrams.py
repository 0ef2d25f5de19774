"""Datagram sockets: those that clients send to, and those that are connected to one endpoint."""

import errno
import socket
from contextlib import suppress
from socket import SocketType

LONGEST_BYTES = 65_535  # beyond any datagram: 65,507 over IPv4 (RFC 768, RFC 791), 65,527 over IPv6 (RFC 8200)
# A burst waits here while the worker does something else: measured, 10,082 small datagrams. Unless the process has
# CAP_NET_ADMIN, the kernel cuts it to net.core.rmem_max, 212,992 bytes on most systems: 512 of them, twice the default.
BURST_BYTES = 4 * 1024 * 1024
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h
_KIND = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC

ICMP_ERRORS = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOPROTOOPT, errno.EHOSTDOWN})
"""Errors that ICMP reports: an earlier datagram has not reached the endpoint (icmp(7), RFC 1122, 4.1.3.3)."""
REFUSED = frozenset({errno.ECONNREFUSED, errno.ENOPROTOOPT})
"""Those that nothing else reports. The others may also be of the datagram that is being sent: there is no route."""


SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""What the kernel calls a peer: of IPv4, and of IPv6 with flow and scope."""


def bound_datagrams(address: tuple[str, int]) -> socket.socket:
    """A bound UDP socket whose address other workers may bind too.

    Raises:
        OSError: the address is in use or not of this host, or its port needs CAP_NET_BIND_SERVICE.
    """
    sock = socket.socket(_family(address), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _set_buffer(sock, socket.SO_RCVBUF, _SO_RCVBUFFORCE)
        _set_buffer(sock, socket.SO_SNDBUF, _SO_SNDBUFFORCE)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def connected_datagrams(address: tuple[str, int]) -> SocketType:
    """A UDP socket that sends to and receives from this address only, from a port of its own. It does not wait.

    It has the buffers that the kernel gives: a node has thousands of these.

    Raises:
        BlockingIOError: no local port is left (net.ipv4.ip_local_port_range).
        OSError: no descriptor is left, or there is no route to the address.
    """
    # The class that socket.socket extends: half of the cost, and a socket per DNS query is made.
    sock = SocketType(_family(address), _KIND)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def stop_receiving(sock: SocketType) -> None:
    """Let a bound socket receive nothing more, whoever else has a copy of it; it can still send to anyone.

    Connected to itself, it is no candidate for what clients send: other sockets at the address get that, and without
    one the kernel refuses it. What it has received already can be read. Closing it would not do: the supervisor has a
    copy, and shutdown(2) does not stop datagrams.
    """
    with suppress(OSError):  # the address has gone from this host, and with it all that could be received
        sock.connect(sock.getsockname())


def _family(address: tuple[str, int]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _set_buffer(sock: socket.socket, option: int, forced: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, BURST_BYTES)
    except OSError:  # needs CAP_NET_ADMIN
        sock.setsockopt(socket.SOL_SOCKET, option, BURST_BYTES)
