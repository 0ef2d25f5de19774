"""Listeners: accept clients and guard the worker against whatever goes wrong on their connections."""

import select
import socket
from collections.abc import Callable
from contextlib import suppress

from nodeproxy.errors import ClientGone, ProxyError
from nodeproxy.net.channel import SocketChannel
from nodeproxy.net.connection import Connection, Entrance
from nodeproxy.net.reactor import Reactor
from nodeproxy.net.task import Task

BACKLOG = 4096  # the kernel cuts it to net.core.somaxconn, 4096 on current systems
ACCEPTS_PER_TURN = 16
PAUSE_S = 0.1  # before accepting is tried again when there is no descriptor or too many clients


def bound(address: tuple[str, int]) -> socket.socket:
    """A socket that other workers may bind too. Clients come once a Listener has it, not before.

    Raises:
        OSError: the address is taken, not of this host, or a port that needs CAP_NET_BIND_SERVICE.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def bound_datagrams(address: tuple[str, int]) -> socket.socket:
    """A socket for datagrams that other workers may bind too.

    Raises:
        OSError: as `bound`.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


class Door:
    """All client connections of a worker, whichever listener they came through."""

    def __init__(self, reactor: Reactor, most: int, on_bug: Callable[[BaseException], None]) -> None:
        self.connections: dict[Connection, Task] = {}
        self._reactor = reactor
        self._most = most
        self._on_bug = on_bug

    @property
    def full(self) -> bool:
        """Whether no more clients are let in for now."""
        return len(self.connections) >= self._most

    def admit(self, entrance: Entrance, sock: socket.socket, client: str) -> None:
        """Serve a client until it or we have had enough."""
        sock.setblocking(False)
        channel = SocketChannel(self._reactor, sock, ClientGone, entrance.half_close_is_gone)
        connection = Connection(entrance, channel, client)
        task = Task(self._reactor, self._guarded(connection, channel))
        self.connections[connection] = task
        entrance.stats.accepted += 1
        entrance.stats.connections += 1
        task.resume()  # most clients have sent their request by now

    async def _guarded(self, connection: Connection, channel: SocketChannel) -> None:
        try:
            await connection.serve()
        except ProxyError:
            pass  # counted and told where it happened; what is left is to close
        except Exception as error:  # a bug in one exchange ends that connection, never the worker
            connection.entrance.stats.bugs += 1
            self._on_bug(error)
        finally:
            channel.close()
            connection.entrance.stats.connections -= 1
            self.connections.pop(connection, None)


class Listener:
    """One listening socket, watched level-triggered: who is not accepted now is reported again."""

    def __init__(self, door: Door, reactor: Reactor, sock: socket.socket, entrance: Entrance) -> None:
        self.address: tuple[str, int] = sock.getsockname()[:2]
        self._door = door
        self._reactor = reactor
        self._sock = sock
        self._entrance = entrance
        self._watched = False
        self._closed = False
        sock.listen(BACKLOG)
        self._watch()

    def ready(self, mask: int) -> None:
        """See `reactor.Watcher`."""
        for _ in range(ACCEPTS_PER_TURN):
            if self._door.full:
                self._pause()
                return
            if not self._admit_next():
                return

    def _admit_next(self) -> bool:
        """Let in who waits longest; False when nobody does, or cannot be let in now."""
        try:
            sock, peer = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError:  # no descriptor left: those who wait stay in the kernel's queue
            self._pause()
            return False
        self._door.admit(self._entrance, sock, peer[0])
        return True

    def close(self) -> None:
        """Accept nobody any more. Those already in the kernel's queue are accepted first."""
        if self._closed:
            return
        while self._watched and not self._door.full and self._admit_next():
            pass
        with suppress(OSError):  # the kernel sends clients elsewhere from now on, not when the number is given back
            self._sock.shutdown(socket.SHUT_RD)
        self._closed = True
        if self._watched:
            self._reactor.bury(self._sock, shared=True)  # the supervisor has a copy
        else:
            self._sock.close()

    def _watch(self) -> None:
        if not self._closed:
            self._watched = True
            self._reactor.watch(self._sock, self, select.EPOLLIN)

    def _pause(self) -> None:
        self._watched = False
        self._reactor.forget(self._sock)
        self._reactor.call_at(self._reactor.now + PAUSE_S, self._watch)
