"""Connecting: a channel to an address, for the current task of the hot lane."""

import errno
import socket

from nodeproxy.errors import ConnectFailed, OutOfDescriptors, ProxyError
from nodeproxy.io.calls import park
from nodeproxy.io.capacity import is_shortage
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor


async def connect(reactor: Reactor, address: tuple[str, int], broken: type[ProxyError]) -> SocketChannel:
    """Connect to `address`; the current task waits until the connection is established.

    Raises:
        ConnectFailed: refused or unreachable.
        OutOfDescriptors: this process can open no more sockets.
        DeadlinePassed: the task's deadline passed first.
    """
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    except OSError as error:
        if not is_shortage(error):  # an IPv6 address on a machine without IPv6
            raise ConnectFailed(f"no socket: {error}") from error
        raise OutOfDescriptors(f"no socket: {error}; raise the limit of open files") from error
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    failure = sock.connect_ex(address)
    try:
        channel = SocketChannel(reactor, sock, broken)
    except OSError as error:
        sock.close()
        raise OutOfDescriptors(f"socket not watched: {error}; see fs.epoll.max_user_watches") from error
    channel.readable = channel.writable = False
    channel.writer = reactor.current
    try:
        if failure in (0, errno.EINPROGRESS):  # otherwise it has already failed, e.g. for want of a free port
            while not channel.writable:
                await park()
            failure = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise ConnectFailed(f"{address[0]}:{address[1]}: {errno.errorcode.get(failure, failure)}")
    except BaseException:
        channel.close()
        raise
    return channel
