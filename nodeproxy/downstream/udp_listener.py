"""UDP with clients: the datagram socket of one service port at the virtual address of its service."""

import select
import socket
from collections.abc import Callable
from typing import ClassVar

from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.udp_session import UdpSession
from nodeproxy.downstream.udp_sessions import UdpSessions
from nodeproxy.errors import ProxyError, UnknownService
from nodeproxy.exchange.connection import Ended, of_session
from nodeproxy.io.datagrams import LONGEST_BYTES, SocketAddress, stop_receiving
from nodeproxy.io.rounds import SESSION
from nodeproxy.table.table import Route
from nodeproxy.upstream.udp_upstream import UdpUpstream

QUEUED_MOST = 4096  # what is still passed on when a listener closes, in the unit of `io.rounds`
LOOP = "loop"  # why a datagram is dropped that seems to come from a UDP port of the mesh


class UdpListener:
    """Receives for all clients, and sends to them: replies come from the address that the client has sent to.

    Watched level-triggered: what is not received in this turn is reported again.
    """

    EVENTS: ClassVar[int] = select.EPOLLIN  # EPOLLERR is always among them
    share: ClassVar[None] = None

    def __init__(
        self, sessions: UdpSessions, context: ConnectionContext, sock: socket.socket, route: Callable[[], Route]
    ) -> None:
        """`route` returns that of the service port that has the address of `sock` now.

        Raises:
            OSError: the socket cannot be watched.
        """
        self.sessions = sessions
        self.reactor = context.reactor
        self.sock = sock
        self.round, self.burst = 0, 1
        self._context = context
        self._route = route
        self._sessions: dict[SocketAddress, UdpSession] = {}
        self._closed = False
        self._address: tuple[str, int] = sock.getsockname()[:2]
        self.reactor.watch(sock, self, self.EVENTS)
        sessions.listening.add(self._address)

    def ready(self, mask: int) -> None:
        """Pass on what clients have sent; see `reactor.Watcher`."""
        allowed = self.sessions.rounds.allowance(self)
        if allowed:
            self._receive(allowed)

    def upstream(self) -> tuple[Route, UdpUpstream]:
        """What chooses endpoints for the service port that has this address now, with its route.

        Raises:
            UnknownService: there is none.
        """
        route = self._route()
        if route.datagrams is None:
            raise UnknownService(f"{route.name} takes no datagrams")
        return route, route.datagrams

    def reassigned(self) -> None:
        """The address belongs to a different service from now on: its clients are to reach that one."""
        for session in list(self._sessions.values()):
            session.end(UnknownService.reason)

    def close(self) -> None:
        """Receive nothing more. Sessions go on, with the replies of their endpoints, until they end."""
        if self._closed:
            return
        self._closed = True
        self.sessions.listening.discard(self._address)
        stop_receiving(self.sock)
        self._receive(QUEUED_MOST)
        self.reactor.forget(self.sock)
        self._close_without_sessions()

    def forget(self, session: UdpSession) -> None:
        """`session` has ended."""
        self.sessions.remove(session)
        if self._sessions.get(session.client) is session:
            del self._sessions[session.client]
            self._close_without_sessions()

    def ended(self, session: UdpSession, reason: str) -> None:
        """Count a session of this listener, and report it to the observer."""
        exchange, stats, observer = session.exchange, session.stats, session.exchange.observer
        stats.active -= 1
        stats.sessions[reason, exchange.caller.labels] += 1
        if observer is not None:
            elapsed_s, datagrams = self.reactor.clock() - exchange.started, session.datagrams
            ended = Ended("udp", reason, session.bytes_to_endpoint, session.bytes_to_client, elapsed_s, datagrams)
            observer.connection_ended(exchange, session.route.name, ended)

    def bug(self, error: BaseException, session: UdpSession | None) -> None:
        """A bug ends the session that it was found with, never the worker."""
        self._context.stats.bugs += 1
        self.reactor.task_failed(error)
        if session is not None:
            session.end("internal")

    def _receive(self, most: int) -> None:
        handled, receive, sessions, touch = 0, self.sock.recvfrom, self._sessions, self.sessions.touch
        while handled < most:
            try:
                data, client = receive(LONGEST_BYTES)
            except BlockingIOError:
                break
            except OSError:  # reported once, e.g. that the address has gone from this host
                handled += 1
                continue
            handled += 1
            session = sessions.get(client)
            try:
                if session is None:
                    handled += SESSION - 1
                    self._open(client, data)
                else:
                    touch(session)
                    session.forward(data)
            except Exception as error:
                self.bug(error, session or sessions.get(client))
        self.sessions.rounds.spend(self, handled, most)

    def _open(self, client: SocketAddress, data: bytes) -> None:
        """Begin a session with its first datagram."""
        host, context = client[0], self._context
        stats = context.stats.unrouted.of_udp
        try:
            route, upstream = self.upstream()
            stats = route.stats.of_udp
            if client[:2] in self.sessions.listening:  # forged: answers of two services to each other have no end
                stats().dropped[LOOP] += 1
                return
            exchange = of_session(host, self.sessions.scope, self.reactor.now)
            exchange.caller, exchange.observer = context.caller_of(host), context.observer
            refusal = upstream.admission.refusal(exchange)
            if refusal:
                stats().dropped[refusal] += 1
                return
            self.sessions.make_room(host)
            session = UdpSession(self, client, exchange, route, upstream)
        except ProxyError as error:
            stats().dropped[error.reason] += 1
            return
        self._sessions[client] = session
        self.sessions.add(session)
        session.stats.active += 1
        session.forward(data)
        if not session.alive:  # its first datagram has been dropped, and so is it: no session has begun
            session.ended = True
            session.stats.active -= 1
            self.forget(session)

    def _close_without_sessions(self) -> None:
        if self._closed and not self._sessions:
            self.sock.close()
