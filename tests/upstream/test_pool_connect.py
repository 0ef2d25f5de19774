"""Connecting to an endpoint: how long, what failure means for its health, and whose deadline counts."""

import socket

import pytest

from nodeproxy.balance.health import usable
from nodeproxy.errors import ConnectFailed, DeadlinePassed
from nodeproxy.upstream.endpoint import Endpoint
from tests.fakes.pool import Pooled


async def outcome(world, coroutine):
    """The error that `coroutine` ends with, as a task of its own; it is given the task's turn to wait."""
    ended = []

    async def run():
        try:
            ended.append(await coroutine)
        except (ConnectFailed, DeadlinePassed) as error:
            ended.append(error)

    task = world.reactor.spawn(run())
    await world.settle()
    return task, ended


def deaf(world):
    """An address at which nobody answers: its queue of connections is full."""
    listening = world.keep(socket.socket())
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    for _ in range(4):
        waiting = world.keep(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listening.getsockname())
    return listening.getsockname()


@pytest.mark.parametrize(("address", "name"), [("10.0.0.1", "10.0.0.1:80"), ("fd00::1", "[fd00::1]:80")])
def test_an_endpoint_is_named_as_it_stands_in_a_url(world, address, name):
    assert Endpoint(world.upstream, (address, 80)).name == name


async def test_a_connection_forgets_earlier_failures_and_leaves_the_tasks_deadline_alone(world):
    pool = Pooled(world)
    pool.endpoint.health.failures = 3
    task, deadline = world.reactor.current, world.clock.now + 30
    task.limit(deadline)

    await pool.open()

    assert pool.endpoint.health.failures == 0
    assert task.deadline == deadline


async def test_a_refused_connect_says_where_and_ejects(world):
    pool = Pooled(world)
    pool.server.stop()

    with pytest.raises(ConnectFailed, match=rf"^127\.0\.0\.1:{pool.server.port}: ECONNREFUSED$"):
        await pool.endpoint.pool.open(5.0)

    assert not usable(pool.endpoint.health, world.clock.now)


async def test_a_connect_without_an_answer_is_given_up_and_ejects(world):
    endpoint = Endpoint(world.upstream, deaf(world))
    task, ended = await outcome(world, endpoint.pool.open(5.0))
    assert not ended

    world.advance(5)
    await task.join()

    assert isinstance(ended[0], ConnectFailed) and str(ended[0]) == f"{endpoint.name}: no answer within 5 s"
    assert not usable(endpoint.health, world.clock.now)
    assert task.deadline > world.clock.now


@pytest.mark.parametrize("within_s", [0, 5.0])
async def test_a_request_whose_time_is_over_while_it_connects_ends_as_late(world, within_s):
    endpoint = Endpoint(world.upstream, deaf(world))

    async def hurried():
        world.reactor.current.limit(world.clock.now + 2)
        await endpoint.pool.open(within_s)

    task, ended = await outcome(world, hurried())
    world.advance(2)
    await task.join()

    assert isinstance(ended[0], DeadlinePassed)
