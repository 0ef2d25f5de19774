"""A listener of several protocols: a client that does not begin with an HTTP/1.1 request is handed on, once."""

from math import inf

import pytest

from nodeproxy.downstream.prefaces import recognised
from tests.fakes.world import World

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: nobody.shop.mesh\r\n\r\n"


class Echo:
    """A protocol that returns every byte until the client ends or the worker drains."""

    def __init__(self, _context, channel, client, received):
        self.channel = channel
        self.client = client
        self.received = received
        self.draining = False
        self.idle_since_seen = -inf
        self.makes_way = True

    async def serve(self):
        data = self.received
        while data and not self.draining:
            await self.channel.send(data)
            data = await self.channel.recv()

    def idle_since(self, _deadline):
        return inf

    def make_way(self):
        return False

    def drain(self):
        self.draining = True

    def hang_up(self):
        pass


class Echoes:
    """Accepts clients that begin with PREFACE."""

    def __init__(self):
        self.accepted = []

    def __call__(self, context, channel, client, received):
        self.accepted.append(Echo(context, channel, client, received))
        return self.accepted[-1]


@pytest.fixture
def echoes():
    return Echoes()


@pytest.fixture
def world(echoes):
    with World() as world:
        world.reopen(prefaces={PREFACE: echoes})
        yield world


async def test_its_first_bytes_choose_the_protocol(world, echoes):
    client = await world.client()

    await client.send(PREFACE + b"SM\r\n\r\n")

    assert await client.exactly(24) == PREFACE + b"SM\r\n\r\n"
    await client.send(b"more")
    assert await client.exactly(4) == b"more"
    assert [each.client for each in echoes.accepted] == ["127.0.0.1"]
    assert list(world.connections.open) == echoes.accepted


async def test_a_preface_that_arrives_in_pieces_is_recognised(world, echoes):
    client = await world.client()

    for at in range(len(PREFACE)):
        await client.send(PREFACE[at : at + 1])
        await world.settle()

    assert await client.exactly(len(PREFACE)) == PREFACE
    assert len(echoes.accepted) == 1


async def test_http_1_is_served_without_being_recognised(world, echoes):
    client = await world.client()

    await client.send(GET)

    assert (await client.head()).startswith(b"HTTP/1.1 503 ")
    assert not echoes.accepted


async def test_a_preface_behind_a_request_is_no_request(world, echoes):
    client = await world.client()

    await client.send(GET)
    await client.head()
    await client.send(PREFACE)

    assert b"HTTP/1.1 505 " in await client.rest()
    assert not echoes.accepted


async def test_a_drain_reaches_connections_of_every_protocol(world, echoes):
    client = await world.client()
    await client.send(PREFACE)
    await client.exactly(len(PREFACE))

    world.connections.drain()
    await client.send(b"last")

    assert await client.rest() == b""
    assert not world.connections.open


async def test_one_that_is_recognised_while_the_worker_drains_is_drained(world, echoes):
    world.connections.drain()
    client = await world.client()

    await client.send(PREFACE)
    await client.rest()

    assert echoes.accepted[0].draining


def test_what_begins_no_preface_is_not_recognised():
    assert recognised(b"\x16\x03\x01", {PREFACE: Echo}) is None
