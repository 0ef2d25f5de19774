"""TCP with clients: one connection that carries no HTTP, joined with one to an endpoint of its service.

What cannot be carried on is reset on both sides, so that neither takes it for complete: a refusal, a side that has
failed, an endpoint that has left for too long, a worker that ends. Only an idle one is closed as by its own ends.
"""

from math import inf

from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.opening import Opened, connection_of, route_of
from nodeproxy.errors import ClientGone, DeadlinePassed, NoEndpoints, ProxyError
from nodeproxy.exchange.connection import Connection, Ended
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.relay import Relay, Tap
from nodeproxy.io.task import Cancelled
from nodeproxy.policies.redis import tap
from nodeproxy.policies.timeouts import TimeoutsSettings
from nodeproxy.protocol.message import Response
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import ConnectionStats
from nodeproxy.upstream.tunnel import SwitchedConnection

LAST_WORDS_S = 2.0  # for what an endpoint said before it failed to reach its client, before the reset destroys it
LOOK_S = 0.01  # after which it is looked whether they have; each time twice as long: thousands may wait at once
ORDERLY = frozenset({"", DeadlinePassed.reason})
"""Reasons after which both sides are closed without an error: they have ended theirs, or had nothing to say."""


class TcpConnection:
    """One client's connection to a service port; see `connection.DownstreamConnection`."""

    makes_way = False

    def __init__(
        self,
        context: ConnectionContext,
        channel: SocketChannel,
        client: str,
        received: bytes = b"",
        opened: Opened | None = None,
    ) -> None:
        """`opened` is the connection to an endpoint where there is one already."""
        self.idle_since_seen = inf
        self._opened = opened
        self._context = context
        self._channel = channel
        self._client = client
        self._received = received
        self._draining = False
        channel.half_close_is_gone = False  # here it is an end, whose answer is awaited

    async def serve(self) -> None:
        """See DownstreamConnection."""
        exchange = connection_of(self._context, self._channel, self._client)
        if self._opened is not None:
            scope, exchange = exchange.scope, self._opened.exchange
            exchange.scope = scope  # of this task, whichever has opened it
        life = _Life(self._context, exchange)
        if self._opened is not None:
            life.response = self._opened.response
        try:
            await self._join(exchange, life)
        except ProxyError as error:
            life.reason = error.reason
        except Cancelled:
            life.reason = "drained" if self._draining else "cancelled"
            raise
        except BaseException:
            life.reason = "internal"
            raise
        finally:
            life.end(self._channel)

    async def _connected(self, exchange: Connection, life: "_Life") -> Response:
        """A connection to an endpoint, unless there is one already."""
        channel, opened = self._channel, self._opened
        route = life.route = route_of(self._context, exchange) if opened is None else opened.route
        self._context.check_room_to_last()
        if opened is not None:
            return opened.response
        channel.guard = exchange.scope.task
        if channel.ending and channel.hung_up():
            raise ClientGone("the client hung up before its connection was served")
        assert route.connect is not None  # see `route_of`
        response = life.response = await route.connect(exchange)
        channel.guard = None
        return response

    async def _join(self, exchange: Connection, life: "_Life") -> None:
        """Connect to an endpoint and relay to the end."""
        channel, response = self._channel, await self._connected(exchange, life)
        route, tunnel = life.route, response.tunnel
        assert route is not None  # see `_connected`
        if not isinstance(tunnel, SwitchedConnection):
            life.reason = response.reason or NoEndpoints.reason
            return
        channel.probe_when_silent()
        settings = route.settings["timeouts"]
        assert isinstance(settings, TimeoutsSettings)
        relay = life.relay(Relay(exchange.scope.task, channel, tunnel.channel, settings.tcp_idle_s or inf))
        counted, tapped = life.stats, tap(route.states)
        if self._opened is not None and self._opened.passed:
            life.count_passed(self._opened.passed, tapped)
        relay.begin(counted.to_endpoint, counted.to_client, self._received, tunnel.received, tapped)
        self._received = b""
        try:
            await relay.until_over()
        except DeadlinePassed:
            Decisions(route.stats.decisions, "timeouts", settings.mode).count("tcp-idle", exchange)
            if settings.mode == "enforce":
                raise
            relay.idle_s = inf
        await relay.until_over()  # of one that a shadow has let go on
        life.reason = relay.reason
        if relay.reason not in ORDERLY and relay.reason != ClientGone.reason:
            await _last_words(channel)

    def idle_since(self, deadline: float) -> float:
        """See DownstreamConnection: it is in use as long as it is open, as for Envoy.

        A full worker accepts no further clients then, rather than break a conversation.
        """
        return inf

    def make_way(self) -> bool:
        """See DownstreamConnection."""
        return False

    def drain(self) -> None:
        """See DownstreamConnection: it goes on until its ends close it, or the drain limit passes."""
        self._draining = True

    def hang_up(self) -> None:
        """See DownstreamConnection: it is never idle."""


class _Life:
    """What is counted and closed at the end of a connection, however it ends. Nothing of it waits."""

    def __init__(self, context: ConnectionContext, exchange: Connection) -> None:
        self.reason = ""
        self.route: Route | None = None
        self._context = context
        self._exchange = exchange
        self.response: Response | None = None
        """Whose tunnel leads to the endpoint."""
        self._passed_bytes = 0
        self._relay: Relay | None = None
        self._joined_s = 0.0

    @property
    def stats(self) -> ConnectionStats:
        """Those of its service port."""
        stats = self._context.stats.unrouted if self.route is None else self.route.stats
        return stats.of_connections()

    def relay(self, relay: Relay) -> Relay:
        """`relay` begins."""
        self._relay = relay
        self._joined_s = self._context.reactor.clock()
        self.stats.count_opened()
        return relay

    def count_passed(self, passed: bytes, tapped: Tap | None) -> None:
        """The endpoint was sent this before the relay began."""
        self._passed_bytes = len(passed)
        self.stats.to_endpoint.bytes += len(passed)
        if tapped is not None:
            tapped(passed)

    def end(self, channel: SocketChannel) -> None:
        """Close both sides, count the connection and report it."""
        relay, response, exchange = self._relay, self.response, self._exchange
        now, caller, up, down = self._context.reactor.clock(), exchange.caller.labels, 0, 0
        if relay is not None:
            relay.end()
            up, down = relay.moved[0] + self._passed_bytes, relay.moved[1]
            self.stats.count_ended(self.reason, caller, now - self._joined_s)
        else:
            self.stats.count_refused(self.reason, caller)
        if self.reason not in ORDERLY:
            channel.reset()
            if relay is not None:
                relay.second.reset()
            if self._context.failures is not None:
                name = "" if self.route is None else self.route.name
                self._context.failures.note(exchange, name, 0, self.reason)
        channel.close()
        if response is not None:
            response.close()
        if exchange.observer is not None:
            name, protocol = ("", "tcp") if self.route is None else (self.route.name, self.route.port.protocol)
            ended = Ended("tls" if protocol == "tls" else "tcp", self.reason, up, down, now - exchange.started)
            exchange.observer.connection_ended(exchange, name, ended)


async def _last_words(channel: SocketChannel) -> None:
    """Wait until the client has received what was sent to it, at most LAST_WORDS_S."""
    reactor = channel.reactor
    reactor.current.limit(inf)
    until, pause_s = reactor.now + LAST_WORDS_S, LOOK_S
    while channel.unsent() and reactor.now < until:
        await reactor.sleep(min(pause_s, until - reactor.now))
        pause_s *= 2
