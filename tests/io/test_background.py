"""Tasks of the worker itself: bounded, and independent of the task that has started them."""

from nodeproxy.io.background import Background


async def test_a_task_goes_on_when_the_one_that_has_started_it_is_cancelled(world):
    background, done = Background(world.reactor), []

    async def job():
        await world.settle(3)
        done.append(True)

    async def starter():
        background.start(job)
        await world.reactor.sleep(100)

    task = world.reactor.spawn(starter())
    await world.settle(2)
    task.cancel()
    await world.settle()

    assert task.ended and done == [True]
    assert background.active == 0


async def test_there_are_no_more_tasks_than_its_bound(world):
    background = Background(world.reactor, most=2)

    async def job():
        await world.settle(5)

    background.start(job)
    assert background.has_room()
    background.start(job)
    assert not background.has_room()
    await world.settle()

    assert background.has_room()


async def test_a_task_that_fails_makes_room_and_is_reported(world):
    background, world.expected_bugs = Background(world.reactor, most=1), 1

    async def job():
        raise RuntimeError("a bug")

    background.start(job)
    await world.settle(3)

    assert background.has_room()
