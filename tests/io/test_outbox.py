"""What many tasks send on one channel: nothing is lost or mixed, and no task is forgotten."""

import socket
from contextlib import suppress

import pytest

from nodeproxy.errors import ConnectionLost
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.outbox import ROOM_BYTES, TURNS, Outbox

SIZE = 8 << 20  # more than a socket takes at once


@pytest.fixture
def ends(world):
    """An outbox, and the other end of its connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    world.keep(theirs)
    return Outbox(world.own(SocketChannel(world.reactor, ours, ConnectionLost))), theirs


async def received(world, theirs, size):
    data = bytearray()
    for _ in range(50_000):
        try:
            data += theirs.recv(65536)
        except BlockingIOError:
            await world.reactor.rest()
        if len(data) >= size:
            break
    return bytes(data)


def fill(outbox):
    """Fill the socket, without the outbox."""
    while outbox._channel.send_now(bytes(ROOM_BYTES)):
        pass


async def pieces(outbox, mark, number):
    """Put so many pieces, one a turn."""
    for each in range(number):
        if each:
            await outbox.turn()
        while not outbox.room:
            await outbox.turn()
        outbox.put(mark * 16_384)


async def test_what_is_put_in_one_turn_is_one_write(world, ends):
    outbox, theirs = ends
    for each in (b"a", memoryview(b"b"), b"c"):
        outbox.put(each)
    assert outbox.size == 3
    await world.settle(2)

    assert theirs.recv(100) == b"abc"
    assert outbox.size == 0


async def test_two_pieces_are_put_as_one_after_the_other(world, ends):
    outbox, theirs = ends
    outbox.put_two(b"head", memoryview(b"body"))
    assert outbox.size == 8
    await world.settle(2)

    assert theirs.recv(100) == b"headbody"
    assert outbox.size == 0


async def test_what_fills_the_room_leaves_none(ends):
    outbox, _ = ends
    outbox.put(bytes(ROOM_BYTES - 1))
    assert outbox.room

    outbox.put(b"x")

    assert not outbox.room


async def test_what_the_socket_does_not_take_follows_in_order(world, ends):
    outbox, theirs = ends
    data = bytes(range(256)) * (SIZE // 256)
    outbox.put(data)
    await world.settle(2)
    outbox.put(b"end")  # behind the rest
    assert not outbox.room

    assert await received(world, theirs, SIZE + 3) == data + b"end"
    assert outbox.size == 0 and outbox.room


async def test_emptied_waits_for_the_peer(world, ends):
    outbox, theirs = ends
    outbox.put(bytes(SIZE))
    task = world.reactor.spawn(outbox.emptied())
    await world.settle()
    assert not task.ended

    await received(world, theirs, SIZE)
    await world.settle()

    assert task.ended and task.ended_by is None


async def test_tasks_have_turns(world, ends):
    outbox, theirs = ends
    tasks = [world.reactor.spawn(pieces(outbox, b"%d" % each, 40)) for each in range(10)]

    data = await received(world, theirs, 10 * 40 * 16_384)

    half = data[: len(data) // 2]
    shares = [half.count(b"%d" % each) for each in range(10)]
    assert max(shares) - min(shares) <= ROOM_BYTES
    await world.settle()
    assert all(task.ended for task in tasks)


async def test_tasks_that_give_up_take_no_turn_from_the_others(world, ends):
    outbox, theirs = ends
    outbox.put(bytes(SIZE))
    await world.settle()
    tasks = [world.reactor.spawn(pieces(outbox, b"x", 1)) for _ in range(12)]
    await world.settle()

    for task in tasks[:8]:
        task.cancel()
    await received(world, theirs, SIZE + 4 * 16_384)
    await world.settle()

    assert all(task.ended for task in tasks)


async def test_a_task_that_is_cancelled_when_its_turn_has_come_passes_it_on(world, ends):
    outbox, theirs = ends
    outbox.put(bytes(SIZE))
    await world.settle()
    tasks = [world.reactor.spawn(pieces(outbox, b"x", 1)) for _ in range(9)]
    await world.settle()
    while not (turns := [task for task in tasks if task.queued]):
        await received(world, theirs, 65_536)
    for task in turns:
        task.cancel()

    await received(world, theirs, SIZE)
    await world.settle()

    assert len(turns) == 4
    assert all(task.ended for task in tasks)


async def test_a_turn_of_a_cancelled_task_is_passed_on_where_nothing_more_will_be_written(world, ends):
    outbox, theirs = ends
    fill(outbox)
    outbox.put(b"rest")
    await world.settle()
    tasks = [world.reactor.spawn(outbox.turn()) for _ in range(TURNS + 1)]
    await world.settle()
    while not (turns := [task for task in tasks if task.queued]):
        with suppress(BlockingIOError):
            theirs.recv(SIZE)
        await world.reactor.rest()
    for task in turns:
        task.cancel()

    await world.settle()

    assert len(turns) == TURNS and outbox.size == 0
    assert all(task.ended for task in tasks)


async def test_a_flush_does_not_send_ahead_of_what_the_socket_has_not_taken(world, ends):
    outbox, theirs = ends
    data = bytes(range(256)) * (SIZE // 256)
    outbox.put(data)
    await world.settle(2)

    outbox.put(b"end")
    theirs.recv(ROOM_BYTES)
    outbox.flush()

    assert await received(world, theirs, SIZE + 3 - ROOM_BYTES) == data[ROOM_BYTES:] + b"end"


async def test_a_task_that_was_woken_for_something_else_keeps_no_turn_behind(world, ends):
    """A turn that is kept for a task that is over would be lost to those that wait."""
    outbox, theirs = ends
    outbox.put(bytes(SIZE))
    await world.settle()
    woken = [world.reactor.spawn(outbox.turn()) for _ in range(8)]
    await world.settle()
    waiting = world.reactor.spawn(pieces(outbox, b"x", 1))
    await world.settle()
    for task in woken:
        world.reactor.wake(task)
    await world.settle()
    assert all(task.ended for task in woken)

    data = await received(world, theirs, SIZE + 16_384)

    await world.settle()
    assert data.count(b"x") == 16_384 and waiting.ended


async def test_what_waits_is_dropped_when_the_peer_has_gone(world, ends):
    outbox, theirs = ends
    outbox.put(bytes(SIZE))
    task = world.reactor.spawn(outbox.emptied())
    await world.settle()

    theirs.close()
    await world.settle()
    outbox.put(b"more")
    await world.settle()

    assert task.ended and outbox.size == 0


async def test_a_task_that_wants_a_turn_where_nothing_waits_has_it(world, ends):
    outbox, _ = ends

    task = world.reactor.spawn(outbox.turn())
    await world.settle()

    assert task.ended


async def test_a_turn_that_is_not_used_is_passed_on_only_where_there_is_room(world, ends):
    outbox, _ = ends
    outbox.put(bytes(SIZE))
    await world.settle()
    task = world.reactor.spawn(outbox.turn())
    await world.settle()

    outbox.pass_on()
    await world.settle()

    assert not task.ended
    task.cancel()


async def test_what_waits_to_be_emptied_ends_with_its_channel(world, ends):
    outbox, _ = ends
    outbox.put(bytes(SIZE))
    task = world.reactor.spawn(outbox.emptied())
    await world.settle()

    outbox._channel.close()
    world.reactor.wake(task)
    await world.settle()

    assert task.ended and task.ended_by is None


async def test_a_closed_channel_takes_nothing_and_holds_nothing(world, ends):
    outbox, _ = ends
    outbox._channel.close()
    outbox.put(b"late")
    await world.settle()

    assert outbox.size == 0 and outbox.room
