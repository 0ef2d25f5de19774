"""What the control process keeps of the workers' failures."""

import pytest

from discovery.workers.recent_failures import KEPT_MOST, RecentFailures
from nodeproxy.mesh.failures import Failure, Failures
from nodeproxy.mesh.wire import line
from tests.discovery.test_publish import connected, serving
from tests.discovery.test_tap_page import in_force

pytestmark = pytest.mark.anyio


def failure(path):
    return Failure(1.0, "shop/web:80", 503, "timeout", "shop/cart", "GET", path, 1, "10.0.0.1:80")


def test_the_newest_are_kept_and_come_first():
    recent = RecentFailures()

    recent.take("a", Failures(tuple(failure(f"/{number}") for number in range(KEPT_MOST + 5)), 0))

    assert len(recent.after(0)) == KEPT_MOST
    assert [each.path for each in recent.after(recent.number - 2)] == [f"/{KEPT_MOST + 4}", f"/{KEPT_MOST + 3}"]
    assert recent.after(recent.number) == []


def test_what_was_left_out_is_that_of_all_workers_also_of_those_that_have_gone():
    recent = RecentFailures()
    recent.take("a", Failures((), 3))
    recent.take("a", Failures((), 4))
    recent.take("b", Failures((), 2))

    recent.gone("a")
    recent.take("c", Failures((), 1))

    assert recent.left_out == 7


async def test_they_come_over_the_socket_and_a_reader_is_woken(tmp_path):
    publisher, path = in_force(), tmp_path / "mesh"

    async with serving(path, publisher), connected(path) as worker:
        await worker.send(line(Failures((failure("/x"),), 0)))
        await publisher.failures.news(0, 10.0)

    assert [each.path for each in publisher.failures.after(0)] == ["/x"]
