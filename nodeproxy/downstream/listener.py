"""Listeners: accept client connections, as many as there is room for."""

import select
import socket
from contextlib import suppress

from nodeproxy.downstream.connections import ACCEPTS_PER_TURN, Connections
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.io.calls import accept
from nodeproxy.io.capacity import is_shortage
from nodeproxy.io.reactor import Reactor

BACKLOG = 4096  # the kernel cuts it to net.core.somaxconn, 4096 on current systems
PAUSE_S = 0.1  # before accepting again, when out of descriptors or at the bound and no connection has ended since


def bound(address: tuple[str, int]) -> socket.socket:
    """A bound TCP socket whose address other workers may bind too. It accepts clients once a Listener listens on it.

    Raises:
        OSError: the address is in use or not of this host, or its port needs CAP_NET_BIND_SERVICE.
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


class Listener:
    """One listening socket, watched level-triggered: a client not accepted in this turn is reported again."""

    def __init__(
        self, connections: Connections, reactor: Reactor, sock: socket.socket, context: ConnectionContext
    ) -> None:
        self.address: tuple[str, int] = sock.getsockname()[:2]
        self._connections = connections
        self._reactor = reactor
        self._sock = sock
        self._family = sock.family  # asking for it takes 1 us
        self._context = context
        self._watched = False
        self._closed = False
        self._to_resume = False  # whether a timer calls `_due`
        sock.listen(BACKLOG)
        self._watch()

    @property
    def share(self) -> None:
        """None: whose clients wait is known only when they have been accepted."""

    def ready(self, mask: int) -> None:
        """See `callbacks.Watcher`."""
        for accepted in range(ACCEPTS_PER_TURN):
            if self._connections.full:
                if accepted:
                    return  # the queue may be empty: close no idle connection without need
                if not self._connections.make_room():
                    if not self._connections.settling:
                        self._pause()
                    return
            if not self._admit_next():
                return

    def _admit_next(self) -> bool:
        """Accept the client that has waited longest; returns False when none waits or accepting fails for now."""
        try:
            accepted = accept(self._sock)
            if accepted is None:
                return False
            sock = socket.socket(self._family, socket.SOCK_STREAM, 0, accepted[0])
            self._connections.admit(self._context, sock, accepted[1])
        except OSError as error:  # out of descriptors: clients stay in the kernel's queue
            self._context.stats.shortages["accept"] += is_shortage(error)
            self._connections.make_room()
            self._pause()
            return False
        return True

    def _has_queued_client(self) -> bool:
        waiting = select.poll()
        waiting.register(self._sock, select.POLLIN)
        return bool(waiting.poll(0))

    def close(self) -> None:
        """Accept the clients already in the kernel's queue, then stop accepting."""
        if self._closed:
            return
        while (
            self._watched
            and self._has_queued_client()
            and (not self._connections.full or self._connections.make_room())
        ):
            if not self._admit_next():
                break
        with suppress(OSError):  # the kernel stops queueing clients here at once, before the descriptor is closed
            self._sock.shutdown(socket.SHUT_RD)
        self._closed = True
        if self._watched:
            self._reactor.close_after_turn(self._sock, shared=True)  # the supervisor has a copy
        else:
            self._sock.close()

    def reassigned(self) -> None:
        """See `virtual_listeners.VirtualListener`: connections stay, and what is asked on them is for the new one."""

    def resume(self) -> None:
        """See `connections.Paused`."""
        if not self._closed and not self._watched:
            self._watch()

    def _watch(self) -> None:
        try:
            self._reactor.watch(self._sock, self, select.EPOLLIN)
        except OSError:
            self._resume_later()
        else:
            self._watched = True

    def _pause(self) -> None:
        self._watched = False
        self._reactor.forget(self._sock)
        self._connections.when_one_ends(self)
        self._resume_later()  # a connection may have become idle

    def _resume_later(self) -> None:
        if not self._to_resume:
            self._to_resume = True
            self._reactor.call_at(self._reactor.now + PAUSE_S, self._due)

    def _due(self) -> None:
        self._to_resume = False
        self.resume()
