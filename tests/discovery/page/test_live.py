"""The rates while a reader looks: of what changes, over the last seconds, and nothing while there is no reader."""

import json

import anyio
import pytest

from discovery.observe.page.history import History
from discovery.observe.page.live import LOOKS, TICK_S, Live
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import Introduction, PortState
from tests.fakes.reports import API, WEB, port, process

pytestmark = pytest.mark.anyio


class Mesh:
    """Workers whose reports a test writes; a second passes at each wait of the feed."""

    def __init__(self):
        self.now = 100.0
        self.reports = Reports(1, self.clock)
        self.history = History(self.reports, self.clock)
        self.live = Live(self.reports, self.history, self.clock)
        self.pending = []
        self.reports.note("w", Introduction(0, 1))
        self.reports.note("w", process())
        self.history.step()

    def clock(self):
        return self.now

    async def second(self, *messages):
        """The rows of the second in which these reports come."""
        number = self.live.feed.number
        for message in messages:
            self.reports.note("w", message)
        self.now += TICK_S
        self.live.tick()
        events = await self.live.feed.after(number, 0)
        return [row for text in events for row in json.loads(text.partition(b"data: ")[2])["ports"]]


@pytest.fixture
def mesh():
    mesh = Mesh()
    mesh.live.begin()
    return mesh


async def test_a_row_has_rates_latencies_and_the_state(mesh):
    state = PortState(active=3, endpoints=4, usable=2)

    ((name, number, requests, errors, retries, p50_s, p99_s, *endpoints),) = await mesh.second(
        port(requests=20, retries=4, state=state)
    )

    assert (name, number, requests, errors, retries) == ("web.shop", "80", 20.0, 0.0, 4.0)
    assert 0 < p50_s < p99_s <= 0.0005
    assert endpoints == [4, 2, 3]


async def test_only_what_changes_is_told_and_an_end_of_traffic_is(mesh):
    first = await mesh.second(port(requests=20), port(API, requests=1))
    later = [await mesh.second() for _ in range(LOOKS + 1)]

    assert {row[0] for row in first} == {"web.shop", "api.shop"}
    told = [row for rows in later for row in rows if row[0] == "web.shop"]
    assert (told[-1][2], told[-1][6]) == (0.0, None)
    assert later[-1] == []
    assert mesh.live.rates()[WEB].requests_per_s == 0.0


async def test_the_rate_is_that_of_the_last_seconds(mesh):
    for second in range(1, 7):
        rows = await mesh.second(port(requests=10 * second))

    assert rows == []  # 10 a second, as in the second before
    assert mesh.live.rates()[WEB].requests_per_s == 10.0


async def test_counters_of_before_are_no_traffic(mesh):
    mesh.reports.note("w", port(requests=5000))
    mesh.history.step()

    await mesh.second(port(requests=5010))

    assert mesh.live.rates()[WEB].requests_per_s == 10.0


async def test_a_reader_that_is_far_behind_begins_anew(mesh):
    for second in range(1, 40):
        await mesh.second(port(requests=second * second))

    assert await mesh.live.feed.after(1, 0) is None
    assert len(await mesh.live.feed.after(mesh.live.feed.number - 2, 0)) == 2


async def test_nothing_is_made_while_there_is_no_reader():
    mesh, waits = Mesh(), []

    async def sleep(seconds):
        waits.append(seconds)
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(mesh.live.run, sleep)
        await anyio.wait_all_tasks_blocked()
        mesh.reports.note("w", port(requests=20))
        idle = list(waits)
        with mesh.live.feed:
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    assert (idle, waits) == ([], [TICK_S])


async def test_when_the_last_reader_has_left_nothing_is_noted_and_the_rates_are_those_of_the_history(mesh):
    await mesh.second(port(requests=20))
    noted, rates = mesh.live._changed, mesh.live.rates()
    mesh.live.end()

    mesh.reports.note("w", port(requests=30))

    assert rates[WEB].requests_per_s == 20.0
    assert mesh.live.rates() == mesh.history.rates() == {}
    assert noted == set()
