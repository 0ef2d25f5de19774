"""A worker's taps: which requests are recorded, how many, and what their samples have."""

import pytest

from nodeproxy.control.samples import SampleQueue
from nodeproxy.control.taps import Taps
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.taps import RATE_MOST, TAPS_MOST, StartTap, StopTap, TapFilter
from nodeproxy.mesh.wire import Callers
from tests.fakes.traces import arrived

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno"


class Held(SampleQueue):
    """Samples as they are added."""

    def __init__(self, world):
        super().__init__(world.stats)
        self.all = []

    def add(self, sample) -> None:
        self.all.append(arrived(sample))

    @property
    def paths(self):
        return [sample.path for sample in self.all]


class Client:
    """A client of `web.shop` and the endpoint behind it, which answers as the test says."""

    def __init__(self, world):
        self._world = world
        self._endpoint = world.endpoint()
        self._server = None
        self._client = None
        world.serve(self._endpoint)

    async def ask(self, path, answer=OK, takes_s=0.0, method=b"GET"):
        self._client = self._client or await self._world.client()
        await self._client.send(b"%b %b HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n" % (method, path))
        self._server = self._server or await self._endpoint.accept()
        await self._server.head()
        self._world.advance(takes_s)
        await self._server.send(answer)
        await self._client.until(answer[-2:])
        await self._world.settle()


def tapping(world):
    held = Held(world)
    return held, Taps(world.plane.recorder, held, world.clock, lambda: 1.7e9)


async def test_a_tap_gets_the_requests_of_its_service_with_their_attempts(world):
    held, taps = tapping(world)
    client = Client(world)

    taps.follow(StartTap(7, TapFilter("shop/web")))
    await client.ask(b"/basket?id=1", takes_s=0.5)

    (sample,) = held.all
    (attempt,) = sample.attempts
    assert (sample.method, sample.path, sample.service_port, sample.status) == (
        "GET",
        "/basket?id=1",
        "shop/web:80",
        200,
    )
    assert (attempt.first_byte_s, attempt.ended_s, attempt.outcome) == (0.5, 0.5, 200)
    assert (sample.taps, sample.elapsed_s, sample.trace) == ((7,), 0.5, None)


async def test_the_first_byte_of_a_response_is_that_of_the_first_piece_of_its_head(world):
    held, taps = tapping(world)
    taps.follow(StartTap(7, TapFilter("shop/web")))
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    server = await endpoint.accept()
    await server.head()

    for piece in (OK[:20], OK[20:]):
        world.advance(0.5)
        await server.send(piece)
        await world.settle()
    await client.until(b"ok")
    await world.settle()

    (attempt,) = held.all[0].attempts
    assert (attempt.first_byte_s, attempt.ended_s) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        (TapFilter("shop/web"), ["/a/1", "/b"]),
        (TapFilter("shop/web", port=80), ["/a/1", "/b"]),
        (TapFilter("shop/web", port=81), []),
        (TapFilter("shop/other"), []),
        (TapFilter("shop/web", path="/a"), ["/a/1"]),
        (TapFilter("shop/web", method="POST"), ["/b"]),
        (TapFilter("shop/web", namespace="shop", workload="cart"), ["/a/1", "/b"]),
        (TapFilter("shop/web", namespace="shop", workload="till"), []),
        (TapFilter("shop/web", statuses=(500, 599)), ["/b"]),
        (TapFilter("shop/web", slower_than_s=0.2), ["/a/1"]),
        (TapFilter("shop/web", slower_than_s=0.2, statuses=(500, 599)), []),
    ],
)
async def test_only_what_the_filter_lets_through_is_sampled(world, wanted, paths):
    held, taps = tapping(world)
    client = Client(world)
    world.install(Callers((Caller("127.0.0.1", "shop", "cart"),)))

    taps.follow(StartTap(1, wanted))
    await client.ask(b"/a/1", takes_s=0.3)
    await client.ask(b"/b", BUSY, takes_s=0.1, method=b"POST")

    assert held.paths == paths


class Recorded(list):
    """Remembers what is recorded of each exchange when it ends."""

    def exchange_ended(self, exchange, *_):
        self.append(exchange.recording is not None)

    def attempt_ended(self, attempt):
        pass


async def test_what_the_head_excludes_is_not_recorded(world):
    _, taps = tapping(world)
    client, recorded = Client(world), Recorded()
    world.reopen(observer=recorded)

    taps.follow(StartTap(1, TapFilter("shop/web", path="/meant")))
    await client.ask(b"/meant")
    await client.ask(b"/other")

    assert recorded == [True, False]


@pytest.mark.parametrize("wanted", [TapFilter("shop/web"), TapFilter("shop/web", statuses=(200, 200))])
async def test_a_tap_gets_so_many_samples_a_second_and_counts_the_others(world, wanted):
    held, taps = tapping(world)
    client = Client(world)

    taps.follow(StartTap(1, wanted))
    for _ in range(RATE_MOST + 3):
        await client.ask(b"/")
    world.advance(1.0)
    await client.ask(b"/later")

    assert len(held.all) == RATE_MOST + 1 and held.paths[-1] == "/later"
    assert [(each.number, each.left_out) for each in taps.left_out()] == [(1, 3)]


async def test_a_tap_that_is_stopped_gets_nothing_more_and_nothing_is_recorded(world):
    held, taps = tapping(world)
    client = Client(world)

    taps.follow(StartTap(1, TapFilter("shop/web")))
    taps.follow(StartTap(1, TapFilter("shop/web")))
    taps.follow(StopTap(1))
    await client.ask(b"/")

    assert held.all == [] and world.plane.recorder.begin is None


async def test_a_worker_has_a_limit_of_taps(world):
    held, taps = tapping(world)
    client = Client(world)

    for number in range(TAPS_MOST + 2):
        taps.follow(StartTap(number, TapFilter("shop/web")))
    await client.ask(b"/")

    assert [sample.taps for sample in held.all] == [(number,) for number in range(TAPS_MOST)]


async def test_a_request_to_nowhere_is_of_no_service(world):
    held, taps = tapping(world)
    client = await world.client()

    taps.follow(StartTap(1, TapFilter("shop/web")))
    await client.send(b"GET / HTTP/1.1\r\nHost: nothing.shop.mesh\r\n\r\n")
    await client.until(b" 503 ")

    assert held.all == []
