"""The wheel that keeps deadlines."""

from math import inf

from nodeproxy.io.deadlines import AHEAD_S, FAR_S, FAR_TICKS, NOWHERE, TICK_S, Deadlines


class Timed:
    def __init__(self):
        self.tick = NOWHERE
        self.looks = 0

    def look(self):
        self.looks += 1


def test_a_task_is_looked_at_once_and_never_late():
    wheel, task = Deadlines(), Timed()

    at = wheel.put(task, 107.03, now=100.0)

    assert 107.03 - TICK_S < at <= 107.03
    assert wheel.next_s() == at
    assert not wheel.look(at - TICK_S) and task.looks == 0
    assert wheel.look(107.03) and task.looks == 1
    assert not wheel.look(200.0) and task.looks == 1


def test_the_newest_time_counts():
    wheel, task = Deadlines(), Timed()
    wheel.put(task, 150.0, now=100.0)
    wheel.put(task, 110.0, now=100.0)

    assert wheel.look(110.0) and len(wheel) == 0
    assert not wheel.look(150.0) and task.looks == 1


def test_a_far_deadline_is_looked_at_on_the_way():
    wheel, task = Deadlines(), Timed()

    assert FAR_S - FAR_TICKS * TICK_S <= wheel.put(task, 5000.0, now=100.0) - 100.0 <= FAR_S


def test_far_deadlines_share_few_ticks():
    wheel, tasks = Deadlines(), [Timed() for _ in range(20_000)]

    for number, task in enumerate(tasks):
        when = 100.0 + AHEAD_S + number / 5
        assert when - wheel.put(task, when, now=100.0) < (FAR_TICKS + 1) * TICK_S or when - 100.0 > FAR_S

    assert len({task.tick for task in tasks}) <= FAR_S / TICK_S / FAR_TICKS + 1


def test_what_has_been_dropped_leaves_nothing_to_wait_for():
    wheel, tasks = Deadlines(), [Timed() for _ in range(10)]
    for second, task in enumerate(tasks):
        wheel.put(task, 110.0 + second, now=100.0)
    for task in tasks[:-1]:
        wheel.drop(task)
    wheel.drop(tasks[0])

    assert len(wheel) == 1 and 118.9 < wheel.next_s() <= 119.0
    wheel.drop(tasks[-1])
    assert wheel.next_s() == inf


def test_a_look_may_put_the_task_again():
    wheel, again = Deadlines(), []

    class Persistent(Timed):
        def look(self):
            again.append(wheel.put(self, 120.0, now=110.0))

    wheel.put(Persistent(), 110.0, now=100.0)

    assert wheel.look(110.0)
    assert wheel.next_s() == again[0]
