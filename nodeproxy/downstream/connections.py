"""The client connections of a worker: admitted, bounded, drained, and isolated from each other's failures."""

import socket
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Protocol

from nodeproxy.downstream.connection import DownstreamConnection
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.errors import ClientGone, ProxyError, WorkerFull
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import Task
from nodeproxy.telemetry.stats import WorkerStats

ACCEPTS_PER_TURN = 16
LEAVING_MOST = 2 * ACCEPTS_PER_TURN  # connections closed for room per turn: their descriptors are free only at its end
FRESH_S = 0.1  # before an idle connection makes way: the request of a new client is on its way
LOOKED_AT = 16  # connections examined at once to find an idle one; and at most:
LOOKED_AT_MOST = 128
KEPT_SHARE = 8  # one in so many is kept for clients that make way for others: those of HTTP are served beside any TCP


class Paused(Protocol):
    """A listener that accepts nothing for want of room."""

    def resume(self) -> None:
        """There may be room."""
        ...


class Connections:
    """All client connections of a worker that share one bound, whichever listener accepted them.

    At the bound, the connections idle longest are closed to admit new ones. `most` may be changed.
    """

    def __init__(
        self, reactor: Reactor, most: int, on_bug: Callable[[BaseException], None], stats: WorkerStats
    ) -> None:
        self.open: dict[DownstreamConnection, Task] = {}
        self._order: OrderedDict[DownstreamConnection, None] = OrderedDict()  # of those that make way
        self.most = most
        self._reactor = reactor
        self._stats = stats
        self._draining = False
        self._on_bug = on_bug
        self._admitted_s = -inf  # when the last client was admitted: the time of its turn
        self._clients: dict[str, int] = {}  # addresses, and how many connections each has
        self._leaving: set[DownstreamConnection] = set()
        self._crossed_s = -inf  # when a connection to be closed turned out to have its next request already
        self._paused: dict[Paused, None] = {}

    @property
    def full(self) -> bool:
        """Whether a new client is admitted only after another connection closes."""
        return len(self.open) - len(self._leaving) >= self.most

    @property
    def settling(self) -> bool:
        """Whether `make_room` must wait for the next turn: for pending closes, or for a request just received."""
        return len(self._leaving) >= LEAVING_MOST or self._crossed_s == self._reactor.now

    def check_room_to_last(self) -> None:
        """Check that there are not too many connections that never make way, the newest included.

        Raises:
            WorkerFull: there are.
        """
        if len(self.open) - len(self._order) > max(1, self.most - self.most // KEPT_SHARE):
            raise WorkerFull(
                f"all but 1/{KEPT_SHARE} of {self.most} connections are TCP; see downstream_connections_limit"
            )

    def make_room(self) -> bool:
        """Close the connection that has been idle longest, for FRESH_S at least; returns False when all are in use.

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
        self._order.move_to_end(found)
        self._stats.closed_for_room += 1
        return True

    def _idle_longest(self) -> DownstreamConnection | None:
        fresh_s = self._reactor.now - FRESH_S
        longest, since_longest = None, inf
        for _ in range(0, LOOKED_AT_MOST, LOOKED_AT):
            untouched = False
            for connection in list(islice(self._order, LOOKED_AT)):
                if connection in self._leaving:
                    continue
                since = connection.idle_since(self.open[connection].deadline)
                if since <= fresh_s:
                    if since < since_longest:
                        longest, since_longest = connection, since
                    if since == connection.idle_since_seen:
                        untouched = True
                        continue
                connection.idle_since_seen = since
                self._order.move_to_end(connection)
            if untouched or len(self._order) <= LOOKED_AT:
                break
        return longest

    def when_one_ends(self, paused: Paused) -> None:
        """Resume a listener, once, when the next connection ends."""
        self._paused[paused] = None

    def drain(self) -> None:
        """Let every connection, and those that are still admitted, start nothing new and close."""
        self._draining = True
        for connection in list(self.open):
            connection.drain()

    def hang_up(self) -> None:
        """Close the connections that are idle."""
        for connection in list(self.open):
            connection.hang_up()

    def cancel(self) -> None:
        """End all connections, whatever is under way."""
        for task in list(self.open.values()):
            task.cancel()

    def admit(self, context: ConnectionContext, sock: socket.socket, client: str) -> None:
        """Serve a client until either side closes the connection.

        Raises:
            OSError: the socket cannot be watched; it is closed.
        """
        try:
            channel = SocketChannel(self._reactor, sock, ClientGone, context.half_close_is_gone)
        except OSError:
            sock.close()
            raise
        connection = context.accept(context, channel, client, b"")
        if self._draining:
            connection.drain()
        task = Task(self._reactor, self._guarded(connection, channel, client))
        task.share = client
        self.open[connection] = task
        if connection.makes_way:
            self._order[connection] = None
        self._stats.accepted += 1
        self._stats.connections += 1
        self._add(client)
        task.resume()  # most clients have sent their request by now
        connection.idle_since_seen = connection.idle_since(task.deadline)

    def _add(self, client: str) -> None:
        number = self._clients[client] = self._clients.get(client, 0) + 1
        if number == 1:
            self._reactor.sharing = len(self._clients) > 1

    def _remove(self, client: str) -> None:
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
            self._reactor.sharing = len(self._clients) > 1

    def _waits_its_turn(self) -> bool:
        """Whether the first request of a new client waits: one that opens a connection for each has only its share."""
        reactor = self._reactor
        if not reactor.sharing:
            return False
        first_s, self._admitted_s = self._admitted_s, reactor.now
        return reactor.crowded or first_s == reactor.now

    async def _guarded(self, connection: DownstreamConnection, channel: SocketChannel, client: str) -> None:
        try:
            if self._waits_its_turn():
                await self._reactor.rest()
            successor = await connection.serve()
            while successor is not None:
                self._replace(connection, successor)
                connection = successor
                successor = await connection.serve()
        except ProxyError:
            pass  # already counted and answered where it was raised; only the close remains
        except Exception as error:  # a bug in one exchange ends that connection, never the worker
            self._stats.bugs += 1
            self._on_bug(error)
        finally:
            channel.close()
            self._remove(client)
            self._stats.connections -= 1
            self._drop(connection)
            if self._paused:
                self._resume_all()

    def _resume_all(self) -> None:
        paused, self._paused = self._paused, {}
        for each in paused:
            each.resume()

    def _replace(self, connection: DownstreamConnection, successor: DownstreamConnection) -> None:
        """The client speaks a different protocol than `connection`: `successor` serves it, with all bytes received."""
        task = self._reactor.current
        self._drop(connection)
        self.open[successor] = task
        if successor.makes_way:
            self._order[successor] = None
        if self._draining:
            successor.drain()

    def _drop(self, connection: DownstreamConnection) -> None:
        self.open.pop(connection, None)
        self._order.pop(connection, None)
        self._leaving.discard(connection)
