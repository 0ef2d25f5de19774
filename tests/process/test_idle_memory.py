"""When a worker gives memory back to the system, and that it does."""

import sys

import pytest

from nodeproxy.process.idle_memory import AGAIN_LOOKS, PEAK_OBJECTS, REST_OBJECTS, IdleMemory, to_the_system

LEAST = 250_000
PEAK = LEAST + PEAK_OBJECTS


class Looks:
    """A worker with so many objects at each look; `given` are the looks at which memory was given back."""

    def __init__(self):
        self.objects = LEAST
        self.at = 0
        self.given = []
        self.memory = IdleMemory(lambda: self.objects, lambda: self.given.append(self.at))

    def see(self, *objects):
        for self.objects in objects:
            self.at += 1
            self.memory.look()


def test_memory_is_given_back_once_a_peak_is_over():
    looks = Looks()

    looks.see(LEAST, PEAK, PEAK, LEAST + REST_OBJECTS + 1, LEAST + REST_OBJECTS, LEAST)

    assert looks.given == [5]


def test_it_is_given_back_again_when_idle_connections_have_been_closed():
    looks = Looks()

    looks.see(PEAK, *[LEAST] * 200)

    assert looks.given == [2, 2 + AGAIN_LOOKS]


def test_the_second_time_waits_while_there_is_load():
    looks = Looks()

    looks.see(PEAK, LEAST, *[LEAST + REST_OBJECTS + 1] * 200, *[LEAST] * 200)

    assert looks.given == [2, 202 + AGAIN_LOOKS]


def test_no_peak_no_collection():
    looks = Looks()

    looks.see(*[LEAST, PEAK - 1] * 100, *[LEAST] * 100)

    assert looks.given == []


def test_each_peak_counts():
    looks = Looks()

    looks.see(PEAK, LEAST, PEAK, LEAST)

    assert looks.given == [2, 4]


@pytest.mark.usefixtures("collector_off")
def test_what_waits_for_the_collector_is_freed():
    least = sys.getallocatedblocks()
    for _ in range(1000):
        cycle = []
        cycle.append(cycle)
    del cycle
    assert sys.getallocatedblocks() >= least + 1000

    to_the_system()()

    assert sys.getallocatedblocks() < least + 500
