"""Listeners: accept client connections and isolate the worker from any failure on one of them."""

import select
import socket
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from math import inf

from nodeproxy.downstream.http1 import Connection, ConnectionContext
from nodeproxy.errors import ClientGone, ProxyError
from nodeproxy.io.capacity import is_shortage
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task

BACKLOG = 4096  # the kernel cuts it to net.core.somaxconn, 4096 on current systems
ACCEPTS_PER_TURN = 16
LEAVING_MOST = 2 * ACCEPTS_PER_TURN  # connections closed for room per turn: their descriptors are free only at its end
LOOKED_AT = 16  # connections examined at once to find an idle one; and at most:
LOOKED_AT_MOST = 128
PAUSE_S = 0.1  # before accepting again, when out of descriptors or at the bound of connections


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


def bound_datagrams(address: tuple[str, int]) -> socket.socket:
    """A bound UDP socket whose address other workers may bind too.

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


class Connections:
    """All client connections of a worker that share one bound, whichever listener accepted them.

    At the bound, the connections idle longest are closed to admit new ones. `most` may be changed.
    """

    def __init__(self, reactor: Reactor, most: int, on_bug: Callable[[BaseException], None]) -> None:
        self.open: OrderedDict[Connection, Task] = OrderedDict()
        self.most = most
        self._reactor = reactor
        self._on_bug = on_bug
        self._leaving: set[Connection] = set()
        self._crossed_s = -inf  # when a connection to be closed turned out to have its next request already

    @property
    def full(self) -> bool:
        """Whether a new client is admitted only after another connection closes."""
        return len(self.open) - len(self._leaving) >= self.most

    @property
    def settling(self) -> bool:
        """Whether `make_room` must wait for the next turn: for pending closes, or for a request just received."""
        return len(self._leaving) >= LEAVING_MOST or self._crossed_s == self._reactor.now

    def make_room(self) -> bool:
        """Close the connection that has been idle longest; returns False when all are in use.

        Examines a bounded number of them: connections are in the order of arrival, and those used since they were last
        examined move to the end (the CLOCK algorithm; F. J. Corbato, 1968). A request costs nothing.
        """
        if self.settling:
            return False
        found = self._idle_longest()
        if found is None:
            return False
        if not found.make_way():
            self._crossed_s = self._reactor.now
            return False
        self._leaving.add(found)
        self.open.move_to_end(found)
        found.context.stats.closed_for_room += 1
        return True

    def _idle_longest(self) -> Connection | None:
        longest, since_longest = None, inf
        for _ in range(0, LOOKED_AT_MOST, LOOKED_AT):
            untouched = False
            for connection in list(islice(self.open, LOOKED_AT)):
                if connection in self._leaving:
                    continue
                since = connection.idle_since(self.open[connection].deadline)
                if since < since_longest:
                    longest, since_longest = connection, since
                if since == connection.idle_since_seen < inf:
                    untouched = True
                else:
                    connection.idle_since_seen = since
                    self.open.move_to_end(connection)
            if untouched or len(self.open) <= LOOKED_AT:
                break
        return longest

    def admit(self, context: ConnectionContext, sock: socket.socket, client: str) -> None:
        """Serve a client until either side closes the connection.

        Raises:
            OSError: the socket cannot be watched; it is closed.
        """
        try:
            sock.setblocking(False)
            channel = SocketChannel(self._reactor, sock, ClientGone, context.half_close_is_gone)
        except OSError:
            sock.close()
            raise
        connection = Connection(context, channel, client)
        task = Task(self._reactor, self._guarded(connection, channel))
        self.open[connection] = task
        context.stats.accepted += 1
        context.stats.connections += 1
        task.resume()  # most clients have sent their request by now
        connection.idle_since_seen = connection.idle_since(task.deadline)

    async def _guarded(self, connection: Connection, channel: SocketChannel) -> None:
        try:
            await connection.serve()
        except ProxyError:
            pass  # already counted and answered where it was raised; only the close remains
        except Exception as error:  # a bug in one exchange ends that connection, never the worker
            connection.context.stats.bugs += 1
            self._on_bug(error)
        finally:
            channel.close()
            connection.context.stats.connections -= 1
            self.open.pop(connection, None)
            self._leaving.discard(connection)


class Listener:
    """One listening socket, watched level-triggered: a client not accepted in this turn is reported again."""

    def __init__(
        self, connections: Connections, reactor: Reactor, sock: socket.socket, context: ConnectionContext
    ) -> None:
        self.address: tuple[str, int] = sock.getsockname()[:2]
        self._connections = connections
        self._reactor = reactor
        self._sock = sock
        self._context = context
        self._watched = False
        self._closed = False
        sock.listen(BACKLOG)
        self._watch()

    def ready(self, mask: int) -> None:
        """See `reactor.Watcher`."""
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
            sock, peer = self._sock.accept()
            self._connections.admit(self._context, sock, peer[0])
        except (BlockingIOError, ConnectionAbortedError):
            return False
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

    def _watch(self) -> None:
        if self._closed:
            return
        try:
            self._reactor.watch(self._sock, self, select.EPOLLIN)
        except OSError:
            self._reactor.call_at(self._reactor.now + PAUSE_S, self._watch)
        else:
            self._watched = True

    def _pause(self) -> None:
        self._watched = False
        self._reactor.forget(self._sock)
        self._reactor.call_at(self._reactor.now + PAUSE_S, self._watch)
