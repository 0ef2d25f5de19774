"""A worker's hot lane in the test's own thread: real sockets on loopback, time that only moves when told to."""

import random
import socket
import time
from collections.abc import Coroutine
from dataclasses import replace
from ipaddress import ip_network

from nodeproxy.downstream.listener import Listener, bound
from nodeproxy.errors import ConnectionLost
from nodeproxy.io.capacity import Capacity
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.connect import connect
from nodeproxy.io.reactor import Reactor
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.wiring.contexts import ClientSettings, clients_context
from nodeproxy.wiring.data_plane import DataPlane, Node, Surroundings

CLIENTS = ClientSettings(
    head_timeout_s=10.0,
    idle_timeout_s=3600.0,
    half_close_is_gone=False,
    trusts_forwarded=False,
    via="responses",
    trace_sample_ratio=0.0,
)
REAL_LIMIT_S = 90.0  # of one test: a scenario that hangs fails here, with the line where it waits


class Clock:
    """Monotonic seconds that stand still."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Log:
    """Remembers what has ended."""

    def __init__(self, exchanges, attempts):
        self._exchanges, self._attempts = exchanges, attempts

    def exchange_ended(self, *line):
        self._exchanges.append(line)

    def connection_ended(self, *line):
        self._exchanges.append(line)

    def attempt_ended(self, attempt):
        self._attempts.append((attempt.endpoint.name, attempt.outcome))


class World:
    """Reactor, listener, table; `endpoint()` scripts servers and `client()` opens connections."""

    def __init__(self, clock=None, registry=BUILT_IN):
        self.clock = clock or Clock()
        self.bugs = []
        self.reactor = Reactor(self.clock, self.bugs.append)
        self.log = []
        self.attempts = []
        self.expected_bugs = 0
        self.sleep = self._sleep_at_once
        """Of policies: the clock moves instead. `reactor.sleep` waits for the test to move it."""
        self._sockets = []
        self._channels = []
        self.plane = DataPlane(
            Surroundings(self.reactor, random.Random(7), lambda seconds: self.sleep(seconds), self.bugs.append),
            Node(Callers((ip_network("127.77.0.0/16"),)), registry=registry),
            Capacity(files=1 << 20, connections_most=1000),
            HeadLimits(),
        )
        self.stats, self.live, self.clusters = self.plane.stats, self.plane.live, self.plane.clusters
        self.all_idle, self.upstream, self.changes = self.plane.all_idle, self.plane.upstream, self.plane.changes
        self.connections = self.plane.connections
        self.context = self.make_context()
        self.listener = Listener(self.connections, self.reactor, bound(("127.0.0.1", 0)), self.context)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.connections.cancel()
        self.plane.sessions.cancel()
        self.plane.background.cancel()
        self.clusters.clear()
        for _ in range(50):
            self.reactor.turn()
        for channel in self._channels:
            channel.close()
        self.reactor.turn()
        for sock in self._sockets:
            sock.close()
        self.reactor.close()
        assert len(self.bugs) == self.expected_bugs, self.bugs

    def make_context(self, **changes):
        """A context as a worker makes it, with some parts changed."""
        observer = Log(self.log, self.attempts)
        return replace(clients_context(self.plane, CLIENTS, observer), **changes)

    def reopen(self, **changes):
        """Listen at another address, with some parts of the context changed."""
        self.listener.close()
        self.context = self.make_context(**changes)
        self.listener = Listener(self.connections, self.reactor, bound(("127.0.0.1", 0)), self.context)

    def run(self, scenario: Coroutine):
        """Turn until `scenario` has ended; its exception is the test's."""
        errors = []
        task = self.reactor.spawn(caught(scenario, errors))
        until = time.monotonic() + REAL_LIMIT_S
        while not task.ended:
            assert time.monotonic() < until, f"still waiting: {scenario.cr_await}"
            self.reactor.turn(0.05)
        if errors:
            raise errors[0]

    def install(self, *updates):
        """Put updates in force as a worker does."""
        for update in updates:
            self.plane.install(update)

    async def settle(self, turns=20):
        """Let everything that can happen now happen."""
        for _ in range(turns):
            await self.reactor.rest()

    def advance(self, seconds):
        """Move the clock; what is due happens in the next turn."""
        self.clock.now += seconds

    def endpoint(self):
        """A server that accepts connections and leaves all bytes to the test."""
        return ScriptedEndpoint(self)

    def serve(self, *endpoints, policies=None, name="web", namespace="shop", port=80, protocol="http"):
        """Put one service over these endpoints into the table."""
        addresses = tuple(Endpoint("127.0.0.1", endpoint.port) for endpoint in endpoints)
        service = Service(namespace, name, "", (Port(port, protocol, protocol, addresses),), policies or {})
        self.live.install(Replace((service,)))

    async def client(self):
        """A connection to the mesh."""
        return Peer(self, await connect(self.reactor, self.listener.address, ConnectionLost))

    def own(self, channel):
        """Close `channel` when the world ends."""
        self._channels.append(channel)
        return channel

    @property
    def route(self):
        """The only route in the table."""
        return next(iter(self.live.table))

    def keep(self, sock):
        """Close `sock` when the world ends."""
        self._sockets.append(sock)
        return sock

    async def _sleep_at_once(self, seconds):
        self.clock.now += seconds
        await self.reactor.rest()


async def caught(scenario, errors):
    """Run `scenario`; what it raises is added to `errors`."""
    try:
        await scenario
    except BaseException as error:
        errors.append(error)


class Peer:
    """One end of a connection: reads and writes raw bytes."""

    def __init__(self, world, channel):
        self.world = world
        self.channel = world.own(channel)
        self.received = b""

    async def send(self, data):
        await self.channel.send(data)

    async def until(self, mark):
        """Everything up to and with `mark`; what follows stays for the next call."""
        while mark not in self.received:
            data = await self.channel.recv()
            assert data, f"ended without {mark!r}: {self.received[:300]!r}"
            self.received += data
        end = self.received.index(mark) + len(mark)
        taken, self.received = self.received[:end], self.received[end:]
        return taken

    async def exactly(self, size):
        while len(self.received) < size:
            data = await self.channel.recv()
            assert data, f"ended after {self.received!r}"
            self.received += data
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    async def rest(self):
        """Everything until the other side ends."""
        while data := await self.channel.recv():
            self.received += data
        taken, self.received = self.received, b""
        return taken

    async def head(self):
        return await self.until(b"\r\n\r\n")

    def close(self):
        self.channel.close()

    def reset(self):
        """Close with RST instead of FIN."""
        self.channel._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.channel.close()


class ScriptedEndpoint:
    """A listening socket; each accepted connection is a Peer."""

    def __init__(self, world):
        self.world = world
        self.sock = world.keep(socket.create_server(("127.0.0.1", 0)))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]

    async def accept(self):
        while (peer := self.waiting()) is None:
            await self.world.reactor.rest()
        return peer

    def waiting(self):
        """The next connection if one waits to be accepted."""
        try:
            sock, _ = self.sock.accept()
        except BlockingIOError:
            return None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a second small write waits for 40 ms
        return Peer(self.world, SocketChannel(self.world.reactor, sock, ConnectionLost))

    def nobody_came(self):
        """Whether no connection waits to be accepted."""
        try:
            self.sock.accept()[0].close()
        except BlockingIOError:
            return True
        return False

    def stop(self):
        """Refuse connections from now on."""
        self.sock.close()
