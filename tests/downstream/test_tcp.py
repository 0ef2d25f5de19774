"""TCP at a service's own address: whatever the two sides say reaches the other one, whoever speaks first."""

import pytest

from nodeproxy.downstream.virtual_listeners import VirtualListeners
from nodeproxy.errors import ConnectionLost
from nodeproxy.io.capacity import Capacity
from nodeproxy.io.connect import connect
from nodeproxy.io.handover import HeldSockets
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.wiring.contexts import ACCEPTS
from tests.fakes.world import Peer

ADDRESS = "127.77.9.4"


class Database:
    """One TCP service at its own address, with one scripted endpoint."""

    def __init__(self, world, policies=None):
        self.world = world
        self.endpoint = world.endpoint()
        self._port = self.endpoint.port
        self.kept = HeldSockets()
        self.virtual = VirtualListeners(
            world.connections, world.context, self.kept, lambda: world.live.table, Capacity(1 << 20, 1000), ACCEPTS
        )
        port = Port(self._port, "sql", "tcp", (Endpoint("127.0.0.1", self._port),))
        world.install(Replace((Service("shop", "db", ADDRESS, (port,), policies or {}),)))
        self.virtual.follow()
        self.kept.receive()  # as the supervisor does

    async def client(self):
        """A connection to the service."""
        return Peer(self.world, await connect(self.world.reactor, (ADDRESS, self._port), ConnectionLost))


@pytest.fixture
def database(world):
    """The service, closed after the test."""
    database = Database(world)
    yield database
    database.virtual.close()
    database.kept.close()


async def test_a_server_may_speak_first(database):
    client = await database.client()
    server = await database.endpoint.accept()

    await server.send(b"220 ready\r\n")
    assert await client.exactly(11) == b"220 ready\r\n"
    await client.send(b"EHLO x\r\n")

    assert await server.exactly(8) == b"EHLO x\r\n"
