"""When many clients wait, each address has its turn."""

import socket

import pytest

from nodeproxy.errors import ConnectionLost
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.reactor import CROWD, CROWD_SLICE_S

MANY = CROWD + 16
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"


async def readers(world, addresses):
    """For each address a task that reads one byte from a socket; returns the other ends, and whose was read when."""
    order, ends = [], []
    world.reactor.sharing = len(set(addresses)) > 1
    for address in addresses:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        channel = world.own(SocketChannel(world.reactor, ours, ConnectionLost))

        async def read(channel=channel, address=address):
            while await channel.recv():
                order.append(address)

        task = world.reactor.spawn(read())
        task.share = address
        ends.append(world.keep(theirs))
    await world.settle()
    return ends, order


@pytest.mark.parametrize("first", ["greedy", "small"])
async def test_one_request_waits_for_no_more_than_one_of_another_address(world, first):
    ends, order = await readers(world, ["greedy"] * MANY + ["small"])
    sending = ends if first == "greedy" else ends[::-1]

    for end in sending:
        end.send(b"x")
    await world.settle()

    assert order.index("small") <= 1 and order.count("greedy") == MANY


async def test_the_requests_of_a_single_address_are_not_sorted(world):
    ends, order = await readers(world, ["only"] * MANY)

    for end in ends:
        end.send(b"x")
    await world.settle(1)

    assert order == ["only"] * MANY  # in one turn, without slices


@pytest.mark.parametrize("connections", [CROWD, 64, 512])
async def test_beside_a_flood_a_request_waits_for_a_slice_and_no_longer(world, connections):
    cost_s, every_s, clock, reactor = 15e-6, 0.001, world.clock, world.reactor
    sent, waited, due = [], [], clock.now + every_s
    ends, channels = [], []
    for _ in range(connections + 1):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        channels.append(world.own(SocketChannel(reactor, ours, ConnectionLost)))
        ends.append(world.keep(theirs))
    small_end = ends.pop(0)
    reactor.sharing = True

    async def flood(channel, end):
        nonlocal due
        while await channel.recv() and len(waited) < 50:
            clock.now += cost_s  # of half a request
            end.send(b"x")  # the next one follows at once
            if clock.now >= due:
                due += every_s
                sent.append(clock.now)
                small_end.send(b"x")

    async def small(channel):
        while await channel.recv():
            waited.append(clock.now - sent[-1])

    tasks = [reactor.spawn(flood(*each)) for each in zip(channels[1:], ends, strict=True)]
    tasks.append(reactor.spawn(small(channels[0])))
    for number, task in enumerate(tasks):
        task.share = "small" if number == connections else "greedy"
    for end in ends:
        end.send(b"x")
    while len(waited) < 50:
        await reactor.rest()

    assert max(waited) <= CROWD_SLICE_S + 2 * cost_s


async def test_a_few_are_handled_in_the_order_in_which_they_came(world):
    addresses = ["a"] * (CROWD - 3) + ["b"]  # and the test itself
    ends, order = await readers(world, addresses)

    for end in ends:
        end.send(b"x")
    await world.settle()

    assert order == addresses


async def test_tasks_that_rest_have_their_turns_too(world):
    order, reactor = [], world.reactor

    async def work(address, times):
        for _ in range(times):
            order.append(address)
            await reactor.rest()

    tasks = []
    for address, times in [*[("greedy", 5)] * MANY, ("small", 5)]:
        tasks.append(reactor.spawn(work(address, times)))
        tasks[-1].share = address
    ends, _ = await readers(world, ["greedy"] * MANY)
    for _ in range(5):
        for end in ends:
            end.send(b"x")
        await world.settle(1)
    for task in tasks:
        await task.join()

    assert order.count("greedy") == 5 * MANY and order.count("small") == 5


async def test_what_waits_of_a_connection_that_is_closed_meanwhile_does_no_harm(world):
    ends, order = await readers(world, ["a"] * MANY + ["b"] * MANY)
    closing = list(world._channels)[:MANY]

    async def close_all():
        for channel in closing:
            channel.close()

    for end in ends:
        end.send(b"x")
    world.reactor.spawn(close_all())
    await world.settle()

    assert order.count("b") == MANY


async def test_the_work_of_a_child_is_of_its_parent_s_share(world):
    shares = []

    async def child():
        shares.append(world.reactor.current.share)

    async def parent():
        await world.reactor.current.start(child()).join()

    task = world.reactor.spawn(parent())
    task.share = "10.0.0.1"
    await task.join()

    assert shares == ["10.0.0.1"]


async def test_a_client_s_connection_works_for_its_address(world):
    await world.client()
    await world.settle()

    assert {task.share for task in world.connections.open.values()} == {"127.0.0.1"}


def caller(world, address, request=b""):
    """A client with this address, which has sent `request`."""
    sock = world.keep(socket.create_connection(world.listener.address, source_address=(address, 0)))
    sock.sendall(request)
    return sock


async def test_there_are_several_shares_while_clients_of_several_addresses_are_connected(world):
    seen, clients = [world.reactor.sharing], []

    for address in ("127.0.0.2", "127.0.0.3", "127.0.0.3"):
        clients.append(caller(world, address))
        await world.settle()
        seen.append(world.reactor.sharing)
    for client in clients:
        client.close()
        await world.settle()
        seen.append(world.reactor.sharing)

    assert seen == [False, False, True, True, False, False, False]


async def test_first_requests_of_many_new_connections_are_not_before_the_others(world):
    small = caller(world, "127.0.0.2")
    await world.settle()

    for _ in range(2 * CROWD):
        caller(world, "127.0.0.3", GET)
    small.sendall(GET)
    await world.settle()

    clients = [exchange.client for exchange, *_ in world.log]
    assert clients.count("127.0.0.3") == 2 * CROWD
    assert clients.index("127.0.0.2") <= 1


async def test_a_single_address_s_first_requests_are_served_when_they_are_accepted(world):

    for _ in range(3):
        caller(world, "127.0.0.3", GET)
    world.reactor.turn()

    assert len(world.log) == 3


def test_a_turn_says_that_there_is_more_while_a_crowd_waits(world):
    reactor = world.reactor

    class Client:
        queued = False

        def __init__(self, share):
            self.share = share

        def resume(self):
            world.advance(CROWD_SLICE_S)

    reactor.turn()
    reactor.sharing = True
    for number in range(CROWD):
        reactor.wake(Client(number % 2))

    assert [reactor.turn() for _ in range(CROWD + 1)] == [True] * CROWD + [False]
