"""A UDP session: what one client address and port sends to one service port, and what comes back."""

import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from nodeproxy.errors import ConnectFailed, EndpointsUnknown, OutOfDescriptors, ProxyError, UnknownService
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.datagrams import ICMP_ERRORS, LONGEST_BYTES, REFUSED, SocketAddress
from nodeproxy.io.deadlines import NOWHERE
from nodeproxy.table.table import Route
from nodeproxy.upstream.udp_pool import UdpConnection
from nodeproxy.upstream.udp_upstream import UdpUpstream, avoid

if TYPE_CHECKING:
    from nodeproxy.downstream.udp_listener import UdpListener

HELD_MOST = 16  # datagrams of a session whose endpoints are unknown: a resolver sends two, a QUIC client ten at once
TOO_LARGE, BUFFER_FULL, HELD_FULL = "too-large", "buffer-full", "held-full"


class UdpSession:
    """Passes datagrams on, whole, over a socket of its own that is connected to one endpoint of the service.

    It stays with its endpoint until that refuses a datagram or leaves the service; then it chooses another one when the
    client sends again. While the endpoints are unknown its datagrams are held. It ends after a silence, when it has to
    make way for a new one, and with the worker.
    """

    __slots__ = (
        "_cluster", "_connection", "_held", "_held_until", "_listener", "_reactor", "_upstream", "burst",
        "bytes_to_client", "bytes_to_endpoint", "client", "datagrams_to_client", "datagrams_to_endpoint", "ended",
        "exchange", "round", "route", "seen", "stats", "tick", "why",
    )  # fmt: skip

    share: ClassVar[None] = None
    """See `reactor.Watcher`: its share of a turn is bounded by `Rounds`."""

    def __init__(
        self, listener: "UdpListener", client: SocketAddress, exchange: Exchange, route: Route, upstream: UdpUpstream
    ) -> None:
        """Raises NoEndpoints: see `UdpUpstream.cluster`."""
        self.client = client
        """The address and port that its datagrams come from; with a flow label and a scope for IPv6."""
        self.exchange = exchange
        self.route = route
        """Of its service port when it began."""
        self.seen = exchange.started
        """When the last datagram has come, in either direction, monotonic seconds."""
        self.ended = False
        self.why = ""
        """Why its last datagram that was dropped was."""
        self.round, self.burst = 0, 1
        self.tick = NOWHERE
        self.datagrams_to_endpoint = self.bytes_to_endpoint = 0
        self.datagrams_to_client = self.bytes_to_client = 0
        self.stats = route.stats.of_udp()
        self._listener = listener
        self._reactor = listener.reactor
        self._upstream = upstream
        self._cluster = upstream.cluster(exchange)
        self._connection: UdpConnection | None = None
        self._held: deque[bytes] | None = None
        self._held_until = 0.0

    @property
    def waits(self) -> bool:
        """Whether its endpoints are unknown."""
        return self._held is not None

    @property
    def alive(self) -> bool:
        """Whether it has an endpoint, or waits for one."""
        return self._connection is not None or self._held is not None

    @property
    def datagrams(self) -> tuple[int, int]:
        """How many have been passed on to the endpoint, and to the client."""
        return self.datagrams_to_endpoint, self.datagrams_to_client

    def forward(self, data: bytes) -> None:
        """Pass on a datagram of the client, hold it, or drop it; counted in any case."""
        connection = self._connection
        for last in (False, True):
            if connection is None or connection.pool.left:
                connection = self._connected(data)
                if connection is None:
                    return
            try:
                connection.sock.send(data)
            except OSError as error:
                reason = self._reason(error, came_back=error.errno in REFUSED)
                if last or reason == BUFFER_FULL:
                    self._drop(reason)
                    return
                # the error is that of an earlier datagram, or there is no route: this one has not been sent
                connection = self._connection
            else:
                size = len(data)
                self.datagrams_to_endpoint += 1
                self.bytes_to_endpoint += size
                stats = self.stats
                stats.datagrams_to_endpoint += 1
                stats.bytes_to_endpoint += size
                return

    def ready(self, mask: int) -> None:
        """Pass on what the endpoint has sent; see `reactor.Watcher`."""
        connection = self._connection
        if connection is None:  # closed in this turn
            return
        try:
            allowed = self._listener.sessions.rounds.allowance(self)
            if allowed:
                self._pass_back(connection, allowed)
        except Exception as error:
            self._listener.bug(error, self)

    def look(self) -> None:
        """End it if its time is over; see `deadlines.Timed`."""
        if self.ended:
            return
        if self._held is not None:
            until, reason = self._held_until, EndpointsUnknown.reason
        else:
            until, reason = self.seen + min(self._upstream.idle_s, self._listener.sessions.idle_most_s), "idle"
        if self._reactor.now < until:
            self._reactor.look_at(self, until)
            return
        try:
            self.end(reason)
        except Exception as error:
            self._listener.bug(error, self)

    def look_again(self) -> None:
        """The table has changed: the endpoints that it waits for may be known, or its service gone."""
        held, cluster = self._held, self._cluster
        if held is None or not (cluster.known or cluster.gone):
            return
        if cluster.gone:
            self.end(UnknownService.reason)
            return
        self._held = None
        try:
            while held:
                data = held.popleft()
                self._listener.sessions.held_bytes -= len(data)
                self.forward(data)
            if self._connection is None:
                self.end(self.why)
            else:
                self.look()
        except Exception as error:
            self._listener.sessions.held_bytes -= sum(map(len, held))
            self._listener.bug(error, self)

    def end(self, reason: str) -> None:
        """End it for this reason; without effect if it has ended."""
        if self.ended:
            return
        self.ended = True
        self._listener.forget(self)
        held, self._held = self._held, None
        for data in held or ():
            self._listener.sessions.held_bytes -= len(data)
            self._drop(reason)
        self._disconnect(UdpConnection.end)
        self._listener.ended(self, reason)

    def _pass_back(self, connection: UdpConnection, allowed: int) -> None:
        handled, receive, send, client = 0, connection.sock.recv, self._listener.sock.sendto, self.client
        while handled < allowed:
            try:
                data = receive(LONGEST_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                handled += 1
                if self._reason(error, came_back=True) == ConnectFailed.reason:
                    break
                continue
            handled += 1
            if not connection.replied:
                connection.first_reply(self._reactor.now)
            try:
                send(data, client)
            except OSError as error:
                self._drop(_local_reason(error))
                continue
            size = len(data)
            self.datagrams_to_client += 1
            self.bytes_to_client += size
            stats = self.stats
            stats.datagrams_to_client += 1
            stats.bytes_to_client += size
        if handled:
            self._listener.sessions.touch(self)
        self._listener.sessions.rounds.spend(self, handled, allowed)

    def _connected(self, data: bytes) -> UdpConnection | None:
        """A connection to an endpoint that is in the service; None where `data` is held for it, or dropped."""
        if self._held is not None:
            self._hold(data, self._held)
            return None
        self._disconnect(UdpConnection.end)
        try:
            if self._cluster.gone:
                self._upstream = self._listener.upstream()[1]
                self._cluster = self._upstream.cluster(self.exchange)
            if not self._cluster.known:
                self._wait(data)
                return None
            if self._listener.sessions.is_short:
                raise OutOfDescriptors("others got no socket in this turn")
            connection = self._upstream.connect(self._cluster, self.exchange)
        except ProxyError as error:
            if isinstance(error, OutOfDescriptors):
                self._listener.sessions.short()
            self._drop(error.reason)
            return None
        self._connection = connection
        try:
            self._reactor.watch(connection.sock, self, self._listener.EVENTS)
        except OSError:  # see fs.epoll.max_user_watches
            self._connection = None
            connection.end()
            connection.sock.close()
            self._drop(OutOfDescriptors.reason)
            return None
        return connection

    def _wait(self, data: bytes) -> None:
        """Hold `data`, and what follows, until the endpoints of its cluster are known."""
        self._held = deque()
        self._held_until = self._reactor.now + self._upstream.connect_s
        self._hold(data, self._held)
        self._listener.sessions.wait(self)
        self._reactor.look_at(self, self._held_until)

    def _hold(self, data: bytes, held: deque[bytes]) -> None:
        sessions = self._listener.sessions
        if len(held) >= HELD_MOST or not sessions.may_hold(len(data)):
            self._drop(HELD_FULL)
            return
        sessions.held_bytes += len(data)
        held.append(data)

    def _reason(self, error: OSError, came_back: bool) -> str:
        """What an error of the endpoint's socket means; after `connect-failed` there is no connection.

        `came_back` is whether it is about a datagram that has been sent before, which is counted here then.
        """
        if error.errno not in ICMP_ERRORS:
            return _local_reason(error)
        connection = self._connection
        if connection is not None:
            now = self._reactor.now
            self._disconnect(lambda failed: failed.failed(now))
            avoid(self._cluster, self.exchange, connection.attempt.endpoint)
            if came_back:
                self._drop(ConnectFailed.reason)
        return ConnectFailed.reason

    def _disconnect(self, how: Callable[[UdpConnection], None]) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._reactor.close_after_turn(connection.sock)
            how(connection)

    def _drop(self, reason: str) -> None:
        self.why = reason
        self.stats.dropped[reason] += 1


def _local_reason(error: OSError) -> str:
    """Why this host has not sent a datagram."""
    if error.errno == errno.EMSGSIZE:
        return TOO_LARGE
    if error.errno in (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM):
        return BUFFER_FULL
    return "not-sent"
