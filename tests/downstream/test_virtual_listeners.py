"""Services' own addresses: who comes in there means that service; one that cannot be bound keeps no other away."""

import socket

import pytest

from nodeproxy.errors import ConnectFailed, ConnectionLost
from nodeproxy.io.connect import connect
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Put, Replace, keys_of
from tests.fakes.own_address import ROOM, AtOwnAddress
from tests.fakes.world import Peer

GET = b"GET / HTTP/1.1\r\nHost: anything.example\r\n\r\n"
WEB, SHOP, NOWHERE = "127.77.9.1", "127.77.9.2", "192.0.2.1"  # RFC 5737: an address of no host


class Street(AtOwnAddress):
    """Virtual virtual in a world, and one scripted endpoint behind all of them."""

    def __init__(self, world, capacity=ROOM):
        super().__init__(world, capacity)
        self.endpoint = world.endpoint()
        self.port = self.endpoint.port  # free at every other address too

    def service(self, name, address, protocol="http", port=None):
        endpoints = (Endpoint("127.0.0.1", self.endpoint.port),)
        return Service("shop", name, address, (Port(port or self.port, "p", protocol, endpoints),))

    def follow(self, *services):
        self.put(Replace(services))

    def take(self, address):
        """Let another program have `address`."""
        other = self.world.keep(socket.socket())
        other.bind((address, self.port))
        other.listen()
        return other

    async def call(self, address):
        return Peer(self.world, await connect(self.world.reactor, (address, self.port), ConnectionLost))

    async def is_served(self, address):
        try:
            client = await self.call(address)
        except ConnectFailed:
            return False
        client.close()
        return True


@pytest.fixture
def street(world):
    street = Street(world)
    yield street
    street.close()


async def test_who_comes_in_means_that_service_whatever_host_it_sends(world, street):
    street.follow(street.service("web", WEB))
    client = await street.call(WEB)

    await client.send(GET)
    server = await street.endpoint.accept()
    seen = await server.head()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert b"Host: anything.example\r\n" in seen
    assert (await client.head()).startswith(b"HTTP/1.1 204 ")
    assert world.route.stats.requests == {(204, "", ("", "node"), "http1"): 1}


@pytest.mark.parametrize("protocol", ["http", "http2", "detect", "tcp", "tls"])
async def test_every_port_of_tcp_is_opened_whatever_it_speaks(world, street, protocol):
    street.follow(street.service("web", WEB, protocol))

    assert await street.is_served(WEB)


@pytest.mark.parametrize("transport", ["udp", "sctp"])
async def test_a_port_of_another_transport_is_not_opened_for_tcp(world, street, transport):
    port = Port(street.port, protocol=transport, transport=transport)
    street.follow(Service("shop", "web", WEB, (port,)))

    assert not await street.is_served(WEB)


async def test_a_service_without_a_virtual_address_has_no_door(world, street):
    street.follow(street.service("web", ""), street.service("shop", SHOP))

    assert await street.is_served(SHOP)


async def test_doors_open_and_close_with_the_table(world, street):
    street.follow(street.service("web", WEB))
    street.follow(street.service("shop", SHOP))

    assert not await street.is_served(WEB) and await street.is_served(SHOP)


async def test_a_change_of_the_service_leaves_its_door_open_and_its_clients_in(world, street):
    street.follow(street.service("web", WEB))
    client = await street.call(WEB)
    await world.settle()

    street.follow(Service("shop", "web", WEB, (Port(street.port, "p"),)))
    await client.send(GET)

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 503 ") and b"x-mesh-error: no-endpoints\r\n" in head


@pytest.mark.parametrize("address", [NOWHERE, WEB])
async def test_an_address_that_cannot_be_bound_is_told_and_the_others_are_served(world, street, address, caplog):
    if address == WEB:
        street.take(WEB)

    street.follow(street.service("web", address), street.service("shop", SHOP))

    assert await street.is_served(SHOP)
    (record,) = caplog.records
    assert (record.message, record.service) == ("virtual address not served", "shop/web")
    assert record.address == (address, street.port)


async def test_an_address_that_was_taken_is_told_once_and_served_when_it_is_free(world, street, caplog):
    other = street.take(WEB)
    for _ in range(3):
        street.follow(street.service("web", WEB))
    other.close()

    street.follow(street.service("web", WEB))

    assert await street.is_served(WEB)
    assert len(caplog.records) == 1


async def test_an_address_that_is_taken_again_is_told_again(world, street, caplog):
    for _ in range(2):
        other = street.take(WEB)
        street.follow(street.service("web", WEB))
        other.close()
        street.follow(street.service("web", WEB))
        street.follow()
        await world.settle(2)

    assert len(caplog.records) == 2


async def test_an_address_that_another_service_gets_leads_there_in_whatever_order_that_is_told(world, street):
    first, second = street.service("b", WEB), street.service("a", WEB)
    for updates in ((Put(second), Drop(first.key)), (Drop(first.key), Put(second)), (Replace((second,)),)):
        street.follow(first)

        for update in updates:
            world.live.install(update)
            street.virtual.follow(*keys_of(update))
        await world.settle()
        client = await street.call(WEB)
        await client.send(GET)
        server = await street.endpoint.accept()
        await server.head()
        await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

        assert (await client.head()).startswith(b"HTTP/1.1 204 ")
        client.close()
        server.close()
        await world.settle()


async def test_all_doors_close_together_and_may_open_again(world, street):
    street.follow(street.service("web", WEB), street.service("shop", SHOP))

    street.virtual.close()
    street.virtual.close()
    assert not await street.is_served(WEB) and not await street.is_served(SHOP)
    street.virtual.follow()

    assert await street.is_served(WEB)


async def test_a_client_whose_service_has_gone_is_told_so(world, street):
    street.follow(street.service("web", WEB))
    client = await street.call(WEB)
    await world.settle()

    street.follow(street.service("shop", SHOP))
    await client.send(GET)
    answer = await client.head()

    assert answer.startswith(b"HTTP/1.1 404 ")
