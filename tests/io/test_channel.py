"""A channel with several senders: their data never mix, and none is forgotten."""

import socket

import pytest

from nodeproxy.errors import ConnectionLost
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.event import Event

SIZE = 1 << 20  # more than a socket takes at once


@pytest.fixture
def ends(world):
    """A channel, and the other end of its connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    world.keep(theirs)
    return world.own(SocketChannel(world.reactor, ours, ConnectionLost)), theirs


async def received(world, theirs, size):
    data = bytearray()
    for _ in range(20_000):
        try:
            data += theirs.recv(65536)
        except BlockingIOError:
            await world.reactor.rest()
        if len(data) >= size:
            break
    return bytes(data)


async def test_data_of_several_senders_arrive_whole_and_in_the_order_of_their_calls(world, ends):
    channel, theirs = ends
    tasks = [world.reactor.spawn(channel.send(bytes([number]) * SIZE)) for number in range(4)]
    await world.settle()

    data = await received(world, theirs, 4 * SIZE)

    assert data == b"".join(bytes([number]) * SIZE for number in range(4))
    await world.settle()
    assert all(task.ended and task.ended_by is None for task in tasks)


async def test_a_sender_that_comes_later_sends_at_once_where_none_waits(world, ends):
    channel, theirs = ends
    first = world.reactor.spawn(channel.send(b"a" * SIZE))
    await received(world, theirs, SIZE)
    await world.settle()

    await channel.send(b"b")

    assert first.ended and await received(world, theirs, 1) == b"b"


async def test_a_sender_that_gives_up_its_place_holds_up_no_other(world, ends):
    channel, theirs = ends
    tasks = [world.reactor.spawn(channel.send(bytes([number]) * SIZE)) for number in range(3)]
    await world.settle()

    tasks[1].cancel()
    await world.settle()
    data = await received(world, theirs, 2 * SIZE)

    assert data == b"\0" * SIZE + b"\2" * SIZE


async def test_a_sender_that_is_cancelled_within_its_data_ends_the_connection(world, ends):
    channel, theirs = ends
    world.expected_bugs = 1  # nothing catches what the other sender raises
    tasks = [world.reactor.spawn(channel.send(bytes([number]) * SIZE)) for number in range(2)]
    await world.settle()

    tasks[0].cancel()
    await world.settle()

    assert channel.closed and tasks[1].ended
    assert set(await received(world, theirs, SIZE // 64)) <= {0}


async def test_senders_that_wait_fail_when_the_peer_goes(world, ends):
    channel, theirs = ends
    world.expected_bugs = 3
    tasks = [world.reactor.spawn(channel.send(bytes([number]) * SIZE)) for number in range(3)]
    await world.settle()

    theirs.close()
    await world.settle()

    assert [task.ended_by for task in tasks] == [ConnectionLost] * 3


async def test_a_sender_that_comes_again_at_once_has_its_turn_behind_the_other(world, ends):
    channel, theirs = ends

    async def twice():
        await channel.send(b"a" * SIZE)  # it was the last to wait for the socket
        await channel.send(b"a")

    tasks = [world.reactor.spawn(each) for each in (twice(), channel.send(b"b"))]
    await world.settle()

    data = await received(world, theirs, SIZE + 2)

    assert data == b"a" * SIZE + b"ba"
    await world.settle()
    assert all(task.ended for task in tasks)


async def test_a_closed_channel_has_nothing_unsent_and_asks_the_kernel_for_nothing(world, ends):
    channel, _ = ends
    channel.write(b"unread")
    assert channel.unsent()

    channel.close()
    await world.settle(2)

    assert not channel.unsent()
    channel.probe_when_silent()
    channel.take_back()
    channel.reset()
    channel.close()


async def test_a_task_is_not_interrupted_by_the_peers_end_after_its_own(world, ends):
    channel, theirs = ends
    task = world.reactor.spawn(Event(world.reactor).wait())
    await world.settle()
    channel.guard = task

    channel.half_close()
    theirs.send(b"last")
    theirs.shutdown(socket.SHUT_WR)
    await world.settle()

    assert not task.ended
    assert [await channel.recv(), await channel.recv()] == [b"last", b""]
    task.cancel()


async def test_a_silent_peer_is_probed_by_the_kernel_until_it_is_taken_for_gone(world):
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
    ours.setblocking(False)

    world.own(SocketChannel(world.reactor, ours, ConnectionLost)).probe_when_silent()

    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    assert [ours.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [60, 15, 4]
