"""The rules that keep the reactor honest."""

import select
import socket
from contextlib import asynccontextmanager
from math import inf

import pytest
import trio

from nodeproxy.errors import ConnectionLost, DeadlinePassed
from nodeproxy.io.calls import park
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.deadlines import NOWHERE, TICK_S
from nodeproxy.io.event import Event
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.task import CLEANUP_S, Cancelled


def pair(world):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return world.own(SocketChannel(world.reactor, ours, ConnectionLost)), world.keep(theirs)


async def waiting_until(world, deadline):
    world.reactor.current.limit(deadline)
    await Event(world.reactor).wait()


async def test_a_spurious_wake_up_changes_nothing(world):
    channel, other = pair(world)
    reading = []

    async def read():
        reading.append(await channel.recv())

    task = world.reactor.spawn(read())
    await world.settle()
    for _ in range(3):
        world.reactor.wake(task)
        await world.settle(2)
    assert reading == []

    other.send(b"x")
    await task.join()

    assert reading == [b"x"]
    channel.close()


async def test_a_closed_number_is_not_given_back_within_the_turn(world):
    channel, _other = pair(world)
    number = channel._sock.fileno()

    channel.close()
    taken = world.keep(socket.socket())
    await world.settle(2)
    free = world.keep(socket.socket())

    assert taken.fileno() != number
    assert free.fileno() == number


async def test_a_deadline_raises_where_the_task_waits(world):
    seen = []

    async def wait():
        world.reactor.current.limit(world.clock.now + 5)
        try:
            await Event(world.reactor).wait()
        except DeadlinePassed:
            seen.append(world.clock.now)

    task = world.reactor.spawn(wait())
    await world.settle()
    world.advance(4.9)
    await world.settle()
    assert not task.ended

    world.advance(0.2)
    await task.join()

    assert seen == [pytest.approx(1005.1)]


async def test_a_deadline_between_two_ticks_is_exact(world):
    task = world.reactor.spawn(waiting_until(world, world.clock.now + 5.03))
    world.expected_bugs = 1
    await world.settle()
    world.advance(5.02)
    await world.settle()
    assert not task.ended

    world.advance(0.02)
    await world.settle()

    assert task.ended_by is DeadlinePassed


async def test_a_deadline_that_becomes_a_timer_leaves_nothing_behind(world):
    task = world.reactor.spawn(waiting_until(world, world.clock.now + 100))
    await world.settle()
    assert len(world.reactor._deadlines) == 1

    task.limit(world.clock.now + TICK_S / 2)

    assert len(world.reactor._deadlines) == 0 and task.tick == NOWHERE
    task.cancel()


async def test_a_deadline_that_moves_on_costs_one_timer(world):
    standing = []

    async def wait():
        for _ in range(1000):
            world.reactor.current.limit(world.clock.now + 15)
            world.advance(0.001)
            await world.reactor.rest()
            standing.append(len(world.reactor._timers) + len(world.reactor._deadlines))

    await world.reactor.spawn(wait()).join()

    assert set(standing) == {1}


async def test_a_task_that_has_ended_leaves_no_deadline_behind(world):
    async def short():
        world.reactor.current.limit(world.clock.now + 3600)

    for _ in range(100):
        await world.reactor.spawn(short()).join()

    assert len(world.reactor._deadlines) == 0 and world.reactor._deadlines.next_s() == inf


@pytest.mark.parametrize("first", ["cancel", "deadline"])
async def test_a_deadline_of_the_same_turn_does_not_undo_a_cancellation(world, first):
    raised = []

    async def wait():
        try:
            await park()
        except BaseException as error:
            raised.append(type(error))

    task = world.reactor.spawn(wait())
    await world.settle()
    if first == "deadline":
        task.interrupt(DeadlinePassed())
    task.cancel()
    if first == "cancel":
        task.interrupt(DeadlinePassed())
    await world.settle()

    assert raised == [Cancelled] and task.ended


async def test_a_cancelled_task_cleans_up_and_cannot_stay(world):
    steps = []

    async def stubborn():
        try:
            await Event(world.reactor).wait()
        except Cancelled:
            steps.append("cancelled")
            while True:
                await park()
        finally:
            steps.append("closed")

    task = world.reactor.spawn(stubborn())
    await world.settle()
    task.cancel()
    await world.settle()
    assert steps == ["cancelled"]

    world.advance(CLEANUP_S)
    await task.join()

    assert steps == ["cancelled", "closed"]
    assert task.ended_by is Cancelled


async def test_children_never_outlive_their_parent(world):
    ended = []

    async def child():
        try:
            await Event(world.reactor).wait()
        finally:
            ended.append("child")

    async def parent():
        world.reactor.current.start(child())
        await world.reactor.rest()

    task = world.reactor.spawn(parent())
    await task.join()

    assert ended == ["child"]


async def test_a_task_waits_for_another_ones_event(world):
    event, order = Event(world.reactor), []

    async def waits():
        await event.wait()
        order.append("after")

    task = world.reactor.spawn(waits())
    await world.settle()
    order.append("before")
    event.set()
    await task.join()
    await event.wait()

    assert order == ["before", "after"]


async def test_an_error_nobody_catches_is_reported_and_the_others_go_on(world):
    world.expected_bugs = 1

    async def breaks():
        raise ZeroDivisionError

    task = world.reactor.spawn(breaks())
    await task.join()

    assert isinstance(world.bugs[0], ZeroDivisionError)


async def test_a_sleep_ends_when_the_clock_says(world):
    task = world.reactor.spawn(world.reactor.sleep(3))
    await world.settle()
    assert not task.ended

    world.advance(3)
    await task.join()

    assert task.ended_by is None


async def test_a_sleep_is_not_ended_by_a_spurious_wake_up(world):
    task = world.reactor.spawn(world.reactor.sleep(3))
    await world.settle()

    world.reactor.wake(task)
    await world.settle()

    assert not task.ended
    world.advance(3)
    await task.join()


async def test_input_is_read_and_output_waits_until_there_is_room(world):
    channel, other = pair(world)
    sender = world.reactor.spawn(channel.send(bytes(5_000_000)))
    await world.settle()
    assert not sender.ended

    received = 0
    while not sender.ended:
        try:
            received += len(other.recv(1 << 20))
        except BlockingIOError:
            await world.reactor.rest()
    channel.close()
    await world.settle()
    while data := other.recv(1 << 20):
        received += len(data)

    assert received == 5_000_000


async def test_a_bulk_transfer_leaves_turns_to_others(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    bulk, small = await world.client(), await world.client()
    await bulk.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    server = await endpoint.accept()
    await server.head()
    size = 50_000_000
    world.reactor.spawn(server.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)))
    got = []

    async def read():
        while sum(got) < size:
            got.append(len(await bulk.channel.recv()))

    reader = world.reactor.spawn(read())
    await small.send(b"GET / HTTP/1.1\r\nHost: nobody.shop.mesh\r\n\r\n")
    answer = await small.head()
    assert not reader.ended
    await reader.join()

    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_the_lag_of_long_turns_is_counted(world):
    async def slow():
        world.advance(0.03)

    await world.reactor.spawn(slow()).join()

    assert world.reactor.longest_turn_s == pytest.approx(0.03)
    assert world.reactor.lag[4] == 1


class Signal:
    """Notes that the reactor has called it, by whichever of its ways."""

    tick = NOWHERE

    def __init__(self):
        self.called = trio.Event()

    def set(self):
        self.called.set()

    look = flush = set

    async def run(self):
        self.called.set()


SOON_S = 2 * TICK_S  # a deadline that is sooner is a timer
WORK = {
    "task": lambda reactor, signal: reactor.spawn(signal.run()),
    "flush": lambda reactor, signal: reactor.flush_after_turn(signal),
    "timer": lambda reactor, signal: reactor.call_at(reactor.clock(), signal.set),
    "deadline": lambda reactor, signal: reactor.look_at(signal, reactor.clock() + SOON_S),
}


@asynccontextmanager
async def napping(before=lambda _reactor: None):
    """A reactor that waits in trio, for it has nothing to do after `before`."""
    reactor = Reactor()
    before(reactor)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.fail_after(60):
            yield reactor
        nursery.cancel_scope.cancel()
    reactor.close()


@pytest.mark.trio
@pytest.mark.parametrize("work", WORK)
async def test_work_given_from_trio_ends_the_reactors_nap(work):
    signal = Signal()

    async with napping() as reactor:
        WORK[work](reactor, signal)

        await signal.called.wait()


@pytest.mark.trio
async def test_a_socket_that_trio_gives_up_is_closed_in_the_reactors_nap():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    async with napping() as reactor:
        reactor.watch(ours, Signal(), select.EPOLLIN)  # no event of it ends the nap
        reactor.close_after_turn(ours)

        with trio.socket.from_stdlib_socket(theirs) as other:
            assert await other.recv(1) == b""


@pytest.mark.trio
@pytest.mark.parametrize("work", ["call_at", "look_at"])
async def test_a_nap_ends_when_a_timer_or_deadline_says(work):
    signal = Signal()

    def before(reactor):
        when = reactor.clock() + 0.5
        return reactor.call_at(when, signal.set) if work == "call_at" else reactor.look_at(signal, when)

    async with napping(before):
        assert not signal.called.is_set()

        await signal.called.wait()


@pytest.mark.trio
async def test_what_is_woken_at_the_end_of_an_idle_turn_does_not_wait_for_the_nap():
    signal = Signal()

    class Flushed:
        def __init__(self, reactor):
            self.reactor = reactor

        def flush(self):
            self.reactor.spawn(signal.run())

    async with napping() as reactor:
        reactor.flush_after_turn(Flushed(reactor))

        await signal.called.wait()


def test_a_task_without_a_deadline_has_none(world):
    assert world.reactor.spawn(world.reactor.sleep(0)).deadline == inf
