"""The relay between two sockets: every byte arrives, ends and failures too, and nobody's silence costs memory."""

import gc
import socket
from contextlib import suppress

import pytest

from nodeproxy.errors import ClientGone, ConnectionLost, DeadlinePassed
from nodeproxy.io.bulk import HELD_BYTES, PIECE_BYTES, SMALL_BYTES
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.relay import Direction, Relay
from nodeproxy.telemetry.stats import Counted
from tests.fakes.world import Peer

FEW_BYTES = 8 * 1024  # of kernel buffers, so that a slow reader is noticed soon


def connection(world, buffers=0):
    """Both ends of a TCP connection: the test's and the relay's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for each in (socket.SO_SNDBUF, socket.SO_RCVBUF) if buffers else ():
            server.setsockopt(socket.SOL_SOCKET, each, buffers)
        ours = socket.socket()
        if buffers:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
        ours.connect(server.getsockname())
        theirs, _ = server.accept()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


class Joined:
    """A relay between the test's two ends, `client` and `server`, run by a task."""

    def __init__(self, world, buffers=0, early=b"", late=b"", idle_s=100.0, share=None):
        client, first = connection(world, buffers)
        server, second = connection(world, buffers)
        self.client = Peer(world, SocketChannel(world.reactor, client, ConnectionLost))
        self.server = Peer(world, SocketChannel(world.reactor, server, ConnectionLost))
        self.first = world.own(SocketChannel(world.reactor, first, ClientGone))
        self.second = world.own(SocketChannel(world.reactor, second, ConnectionLost))
        self.up, self.down, self.relay = Counted(), Counted(), None
        self._told = early, late
        self._idle_s = idle_s
        self.task = world.reactor.spawn(self._run())
        self.task.share = share

    async def _run(self):
        self.relay = Relay(self.task, self.first, self.second, self._idle_s)
        self.relay.begin(self.up, self.down, *self._told)
        try:
            await self.relay.until_over()
        except DeadlinePassed:
            self.relay.fail("timeout")
        finally:
            self.relay.end()
            self.first.close()
            self.second.close()

    async def over(self):
        await self.task.join()
        return self.relay.reason


SIZES = [1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES]


@pytest.mark.parametrize("size", SIZES)
async def test_a_message_of_every_size_arrives_in_both_directions(world, size):
    joined = Joined(world)
    data = bytes(range(256)) * (size // 256 + 1)

    for sender, receiver in ((joined.client, joined.server), (joined.server, joined.client)):
        for _ in range(2):
            world.reactor.spawn(sender.send(data[:size]))
            assert await receiver.exactly(size) == data[:size]

    await world.settle()
    assert (joined.up.bytes, joined.down.bytes) == (2 * size, 2 * size)


async def test_what_was_received_before_comes_first(world):
    joined = Joined(world, early=b"early", late=b"late")

    await joined.client.send(b" bird")

    assert await joined.server.exactly(10) == b"early bird"
    assert await joined.client.exactly(4) == b"late"


@pytest.mark.parametrize("ends_first", ["client", "server"])
@pytest.mark.parametrize("size", [1, SMALL_BYTES, 2 * PIECE_BYTES])
async def test_one_side_may_end_and_still_hear_the_other(world, ends_first, size):
    joined = Joined(world)
    first, second = (joined.client, joined.server) if ends_first == "client" else (joined.server, joined.client)

    async def last_words():
        await first.send(bytes(size))
        first.channel.half_close()

    world.reactor.spawn(last_words())
    heard = await second.rest()
    await second.send(b"an answer")
    second.channel.half_close()

    assert len(heard) == size
    assert await first.rest() == b"an answer"
    assert await joined.over() == ""


async def test_both_sides_may_end_at_once(world):
    joined = Joined(world)
    await joined.client.send(b"a")
    await joined.server.send(b"b")

    joined.client.channel.half_close()
    joined.server.channel.half_close()

    assert (await joined.server.rest(), await joined.client.rest()) == (b"a", b"b")
    assert await joined.over() == ""


async def test_both_sides_may_be_closed_before_it_begins(world):
    joined = Joined(world)
    await joined.client.send(b"a")
    await joined.server.send(b"b")
    joined.client.close()
    joined.server.close()

    assert await joined.over() in {"", "client-gone", "connection-lost"}
    assert (joined.up.bytes, joined.down.bytes) == (1, 1)


@pytest.mark.parametrize("slow", ["client", "server"])
async def test_a_slow_reader_stops_its_sender_and_holds_one_piece(world, slow):
    joined = Joined(world, FEW_BYTES)
    reader, writer = (joined.client, joined.server) if slow == "client" else (joined.server, joined.client)
    sent = []

    async def flood():
        while True:
            await writer.send(bytes(PIECE_BYTES))
            sent.append(PIECE_BYTES)

    sender = world.reactor.spawn(flood())
    await world.settle(300)
    stopped_at = len(sent)
    await world.settle(300)
    held = joined.relay._up._held, joined.relay._down._held
    assert stopped_at == len(sent)
    assert 0 < sum(map(len, held)) <= PIECE_BYTES

    await reader.send(b"the other direction goes on")
    heard = await writer.exactly(27)
    more = await reader.exactly(2 * PIECE_BYTES)
    sender.cancel()
    await sender.join()

    assert heard == b"the other direction goes on"
    assert more == bytes(2 * PIECE_BYTES)


@pytest.mark.parametrize("held_by_others", [0, HELD_BYTES])
async def test_where_much_is_held_already_a_slow_reader_has_a_small_piece_held(world, held_by_others):
    bulk = world.reactor.bulk
    bulk.held_bytes = held_by_others
    joined = Joined(world)

    async def flood():
        with suppress(ConnectionLost):
            while True:
                await joined.server.send(bytes(PIECE_BYTES))

    world.reactor.spawn(flood())
    await world.settle(1000)
    held_bytes = bulk.held_bytes - held_by_others
    joined.client.reset()
    await joined.over()

    assert (0 if held_by_others else SMALL_BYTES) < held_bytes <= (SMALL_BYTES if held_by_others else PIECE_BYTES)
    assert bulk.held_bytes == held_by_others


async def test_a_slow_reader_gets_all_and_then_the_end(world):
    joined = Joined(world, FEW_BYTES)
    data = bytes(range(251)) * 8000

    async def send():
        await joined.server.send(data)
        joined.server.channel.half_close()

    world.reactor.spawn(send())
    await world.settle(100)

    assert await joined.client.rest() == data


async def test_a_client_that_resets_ends_it(world):
    joined = Joined(world)
    await joined.client.send(b"x")
    await joined.server.exactly(1)

    joined.client.reset()

    assert await joined.over() == "client-gone"


async def test_what_a_client_said_before_it_reset_arrives(world):
    joined = Joined(world)
    await joined.server.send(b"unread")
    await world.settle()
    await joined.client.send(b"bye")
    joined.client.close()  # over unread bytes: a reset

    assert await joined.server.rest() == b"bye"
    assert await joined.over() == "client-gone"


async def test_a_client_that_resets_ends_it_though_the_server_does_not_read(world):
    joined = Joined(world, FEW_BYTES)

    async def flood():
        while True:
            await joined.client.send(bytes(PIECE_BYTES))

    sender = world.reactor.spawn(flood())
    await world.settle(200)
    joined.client.channel.reset()
    sender.cancel()
    await sender.join()

    assert await joined.over() == "client-gone"


async def test_a_client_that_has_ended_its_side_may_still_break(world):
    joined = Joined(world)
    joined.client.channel.half_close()
    assert await joined.server.rest() == b""

    joined.client.reset()

    assert await joined.over() == "client-gone"


async def test_what_a_server_said_before_it_broke_arrives_though_the_client_does_not_read_yet(world):
    joined = Joined(world, FEW_BYTES)
    goodbye = bytes(range(250)) * 1000

    async def say_goodbye():
        await joined.server.send(goodbye)
        joined.server.close()

    await joined.client.send(b"never read")
    world.reactor.spawn(say_goodbye())
    await world.settle(300)

    received = await joined.client.exactly(100)
    received += await joined.client.rest()

    # the kernel has discarded what the server's side had not sent when it closed over unread bytes
    assert goodbye.startswith(received) and len(received) > FEW_BYTES
    assert await joined.over() == "connection-lost"


async def test_a_server_that_no_longer_reads_ends_one_direction_only(world):
    joined = Joined(world)
    joined.server.channel._sock.shutdown(socket.SHUT_RDWR)
    joined.server.close()
    await joined.client.rest()

    with suppress(ConnectionLost):
        for _ in range(3):
            await joined.client.send(b"into nothing")
            await world.settle()

    assert await joined.over() == "connection-lost"


async def test_one_in_which_nothing_moves_is_over_when_its_time_has_passed(world):
    joined = Joined(world, idle_s=10.0)
    for _ in range(3):
        world.advance(9.9)
        await joined.client.send(b"x")
        await joined.server.exactly(1)

    world.advance(10.1)

    assert await joined.over() == "timeout"


async def test_a_small_message_waits_for_a_slice_of_the_bulk_and_no_longer(world):
    streams = [Joined(world) for _ in range(8)]
    small, cost_s = Joined(world), 0.0001  # of each look at the clock: time passes by what is done
    moved = []

    async def flood(joined):
        while True:
            await joined.client.send(bytes(4 * PIECE_BYTES))

    async def drain(joined):
        while data := await joined.server.channel.recv():
            moved.append(len(data))

    tasks = [world.reactor.spawn(each) for joined in streams for each in (flood(joined), drain(joined))]
    await world.settle(50)
    real_clock = world.reactor.clock

    def passing():
        world.clock.now += cost_s
        return real_clock()

    world.reactor.clock = passing
    before = sum(stream.up.bytes for stream in streams)
    await small.client.send(b"ping")
    turns = 0
    while small.up.bytes < 4:
        turns += 1
        await world.settle(1)
    meanwhile = sum(stream.up.bytes for stream in streams) - before
    world.reactor.clock = real_clock
    for task in tasks:
        task.cancel()
    for task in tasks:
        await task.join()

    assert turns <= 2
    assert meanwhile <= 2 * turns * 3 * PIECE_BYTES + len(streams) * PIECE_BYTES  # and a piece of each under way


async def test_bulk_of_one_address_leaves_that_of_another_its_turn(world):
    greedy, small = [Joined(world, share="greedy") for _ in range(7)], Joined(world, share="small")
    everyone = [*greedy, small]

    async def flood(joined):
        while True:
            await joined.client.send(bytes(4 * PIECE_BYTES))

    async def drain(joined):
        while await joined.server.channel.recv():
            pass

    tasks = [world.reactor.spawn(each) for joined in everyone for each in (flood(joined), drain(joined))]
    while sum(joined.up.bytes for joined in everyone) < 400 * PIECE_BYTES:
        await world.settle(1)
    shares = small.up.bytes, sum(joined.up.bytes for joined in greedy)
    for task in tasks:
        task.cancel()
    for task in tasks:
        await task.join()

    assert shares[0] > shares[1] / 7 * 0.5


async def test_an_event_that_comes_after_its_end_does_nothing(world):
    joined = Joined(world)
    await world.settle()
    up = joined.relay._up

    joined.client.reset()
    await joined.over()
    up.ready(0x1F)
    up.transfer(memoryview(bytearray(8)))
    up.move()

    assert joined.relay.reason == "client-gone"


async def test_a_channel_that_is_taken_back_reads_what_was_not_relayed(world):
    joined = Joined(world)
    await world.settle()

    joined.relay.end()
    await joined.client.send(b"for the next one")

    assert await joined.first.recv() == b"for the next one"


async def test_what_moves_in_bulk_postpones_the_idle_timeout_as_well(world):
    joined = Joined(world, idle_s=10.0)
    for _ in range(4):
        world.advance(9)
        world.reactor.spawn(joined.client.send(bytes(3 * PIECE_BYTES)))
        await joined.server.exactly(3 * PIECE_BYTES)
        await world.settle()

    assert joined.relay.reason == "" and not joined.relay.over


async def test_nothing_of_a_relay_waits_for_the_garbage_collector(world):
    def ways():
        return sum(isinstance(each, Direction) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = ways()
        joined = Joined(world)
        await joined.client.send(b"x")
        await joined.server.exactly(1)
        there = ways() - before
        joined.client.channel.half_close()
        joined.server.channel.half_close()
        await joined.over()
        await world.settle()
        left = ways()
    finally:
        gc.enable()

    assert there == 2 and left == before
