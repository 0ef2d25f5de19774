"""The page over real sockets: every address, streams, who is refused, hostile names, a thousand services."""

import json
import socket
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from discovery.observe.listening import listening
from discovery.observe.page.services import services_now, shown
from discovery.observe.page.site import STREAMS_MOST, Own, Site
from discovery.observe.routes import RoutesPage
from discovery.observe.server import Rules, serve_at
from discovery.observe.service_pages import EndpointsPage, ExplainPage
from discovery.observe.tap import TapPage
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.source import Batch
from discovery.workers.publish import Publisher
from nodeproxy.mesh.failures import Failure, Failures
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.rates import Rate
from nodeproxy.mesh.reasons import REASONS
from nodeproxy.mesh.reports import Introduction, PortKey
from nodeproxy.mesh.samples import Samples
from nodeproxy.mesh.taps import StartTap
from nodeproxy.mesh.wire import Replace, line
from tests.discovery.kube import endpoint, put, service, slice_of
from tests.discovery.test_publish import connected as worker_at
from tests.discovery.test_publish import serving as publishing
from tests.discovery.test_service_pages import Worker, node, states
from tests.discovery.test_tap_page import sample, until_asked
from tests.fakes.reports import port, process

pytestmark = pytest.mark.anyio
DEADLINE_S = 60  # only ever used up by a test that fails
TICK_S = 0.01  # of what the page repeats once a second or in five
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028'\"&"


class Node:
    """A control process with one service, and its page."""

    def __init__(self):
        self.publisher = publisher = Publisher()
        self.catalogue = catalogue = Catalogue(Scope())
        batch = Batch(changes=(put(service("shop/web")), put(slice_of("shop/web", endpoint()))))
        publisher.publish(catalogue.apply(batch), in_sync=True)
        registry = catalogue.registry
        pages = {
            b"/endpoints": EndpointsPage(publisher),
            b"/explain": ExplainPage(publisher, catalogue),
            b"/routes": RoutesPage(publisher, registry),
            b"/tap": TapPage(publisher),
        }
        self.site = Site(Own(("127.0.0.1", 0), node="n1"), publisher, pages)

    def worker(self, *messages):
        """What a worker reports."""
        for message in (Introduction(0, 1), *messages, process()):
            self.publisher.reports.note("w", message)

    @asynccontextmanager
    async def serving(self, rules=None):
        async def sleep(_seconds):
            await anyio.sleep(TICK_S)

        with anyio.fail_after(DEADLINE_S), listening(("127.0.0.1", 0)) as listener:
            async with anyio.create_task_group() as group:
                group.start_soon(self.site.repeat, sleep)
                group.start_soon(serve_at, listener, self.site.pages, rules or self.site.rules)
                yield listener.getsockname()
                group.cancel_scope.cancel()


class Reader:
    """A client of one request; a stream's events come one by one."""

    def __init__(self, address, target, room_bytes=0, **fields):
        self.sock = socket.socket()
        if room_bytes:  # of the kernel, for what has not been read
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
        self.sock.connect(address)
        self.sock.setblocking(False)
        fields = {"Host": "localhost:9070", **{name.replace("_", "-"): value for name, value in fields.items()}}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.sock.send(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())
        self.data = b""

    async def more(self):
        await anyio.wait_readable(self.sock)
        more = self.sock.recv(1 << 20)
        self.data += more
        return more

    async def all(self):
        """Status, head and body of a page."""
        while await self.more():
            pass
        self.sock.close()
        head, _, body = self.data.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode(), body

    async def event(self, name):
        """The data of the next event of this name."""
        mark = b"event: %b\ndata: " % name.encode()
        while not (mark in self.data and b"\n\n" in self.data.partition(mark)[2]):
            assert await self.more(), self.data
        text, _, self.data = self.data.partition(mark)[2].partition(b"\n\n")
        return json.loads(text)

    def close(self):
        self.sock.close()


async def page(address, target, **fields):
    status, head, body = await Reader(address, target, **fields).all()
    return status, head, json.loads(body) if "application/json" in head else body.decode()


@pytest.mark.parametrize(
    "target",
    [
        "/api/node", "/api/services", "/api/map", "/api/service?service=web.shop", "/api/errors", "/api/words",
        "/api/cluster", "/nothing", "/api/tap?service=nothing", "/../etc/passwd", "/static/../site.py",
    ],
)  # fmt: skip
async def test_every_answer_says_that_nothing_foreign_is_loaded_or_shows_it(target):
    node = Node()
    node.worker()
    async with node.serving() as address:
        _, head, _ = await page(address, target)

    assert "Content-Security-Policy: default-src 'none'; script-src 'self'" in head
    assert "frame-ancestors 'none'" in head and "unsafe" not in head
    assert "X-Content-Type-Options: nosniff" in head
    assert "Cross-Origin-Resource-Policy: same-origin" in head
    assert "Access-Control" not in head


@pytest.mark.parametrize("fields", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
@pytest.mark.parametrize("target", ["/", "/api/services?stream=1", "/api/tap?service=web.shop", "/api/words"])
async def test_another_site_gets_nothing(target, fields):
    async with Node().serving() as address:
        status, _, text = await page(address, target, **fields)

    assert status in (403, 421)
    assert "shop" not in text


async def test_a_request_of_another_site_is_refused_by_what_the_browser_says():
    async with Node().serving() as address:
        status, _, _ = await page(address, "/api/services", Sec_Fetch_Site="cross-site")

    assert status == 403


async def test_services_come_whole_and_then_what_changes():
    node = Node()
    node.worker(port(requests=0))
    async with node.serving() as address:
        reader = Reader(address, "/api/services?stream=1")
        whole = await reader.event("services")
        requests, rows = 0, []
        while not rows or rows[0][2] == 0.0:  # an event without rows: nothing has changed since the last one
            requests += 500
            node.worker(port(requests=requests, status=503))
            rows = (await reader.event("rates"))["ports"]
        reader.close()

    (web,) = whole["services"]
    (line80,) = web["ports"]
    assert (web["name"], web["namespace"], whole["hidden"]) == ("web.shop", "shop", 0)
    assert (line80["port"], line80["endpoints"], line80["requests_per_s"], line80["p99_s"]) == ("80", 0, 0.0, None)
    assert [row[:2] for row in rows] == [["web.shop", "80"]]
    assert rows[0][2] == rows[0][3]  # all are errors


async def test_the_head_of_a_stream_is_that_of_events():
    async with Node().serving() as address:
        reader = Reader(address, "/api/services?stream=1")
        await reader.more()
        while b"retry: 2000\n\n" not in reader.data:
            await reader.more()
        reader.close()

    assert b"Content-Type: text/event-stream\r\n" in reader.data
    assert b"Cache-Control: no-store\r\n" in reader.data


async def test_a_service_that_comes_or_goes_is_a_new_list(monkeypatch):
    monkeypatch.setattr("discovery.observe.page.services.WHOLE_S", 0.01)
    node = Node()
    async with node.serving() as address:
        reader = Reader(address, "/api/services?stream=1")
        await reader.event("services")
        node.publisher.publish({"shop/new": Service("shop", "new", ports=(Port(80),))}, in_sync=True)
        more = await reader.event("services")
        node.publisher.publish({"shop/new": None}, in_sync=True)
        fewer = await reader.event("services")
        reader.close()

    assert [each["name"] for each in more["services"]] == ["new.shop", "web.shop"]
    assert [each["name"] for each in fewer["services"]] == ["web.shop"]


async def test_errors_come_with_their_reasons_in_words_the_newest_first():
    node = Node()
    first = Failure(1.0, "shop/web:80", 503, "no-endpoints", "shop/cart", "GET", "/a", 1, "")
    second = Failure(2.0, "", 502, "", "node", "POST", "/b", 2, "10.0.0.1:80")
    node.publisher.failures.take("w", Failures((first, second), 3))
    async with node.serving() as address:
        _, _, now = await page(address, "/api/errors")
        reader = Reader(address, "/api/errors?stream=1")
        await reader.event("errors")
        node.publisher.failures.take("w", Failures((first,), 4))
        news = await reader.event("errors")
        reader.close()

    assert [each["path"] for each in now["errors"]] == ["/b", "/a"]
    assert now["left_out"] == 3
    assert now["errors"][1] == {
        "time": 1.0, "service": "web.shop", "port": "80", "status": 503, "reason": "no-endpoints",
        "words": REASONS["no-endpoints"], "caller": "shop/cart", "method": "GET", "path": "/a", "attempts": 1,
        "endpoint": "", "docs": "troubleshooting#no-endpoints",
    }  # fmt: skip
    assert "status 502" in now["errors"][0]["words"]
    assert ([each["path"] for each in news["errors"]], news["left_out"]) == (["/a"], 4)


async def test_the_map_has_who_calls():
    node = Node()
    node.worker(port(requests=5))
    async with node.serving() as address:
        reader = Reader(address, "/api/map?stream=1")
        found = await reader.event("map")
        reader.close()

    assert [(each["from"], each["to"]) for each in found["edges"]] == [("shop/cart", "web.shop")]


async def test_all_reasons_are_explained():
    async with Node().serving() as address:
        _, _, words = await page(address, "/api/words")

    assert words == {"reasons": dict(REASONS)}


async def test_one_service_is_what_the_commands_say_of_it(tmp_path):
    mesh = Node()
    worker = Worker(0, states())
    async with node(tmp_path, worker, publisher=mesh.publisher), mesh.serving() as address:
        status, _, found = await page(address, "/api/service?service=web.shop&path=/x")
        unknown = await page(address, "/api/service?service=wep.shop")

    assert (status, sorted(found)) == (200, ["endpoints", "endpoints_error", "explained", "rollout", "routes"])
    assert found["explained"]["service"] == found["routes"]["service"] == found["endpoints"]["service"] == "web"
    assert (found["rollout"], found["endpoints_error"]) == (None, "")
    assert unknown[0] == 404 and "close to it: web.shop" in unknown[2]


async def test_a_service_is_explained_also_while_no_worker_answers():
    async with Node().serving() as address:
        _, _, found = await page(address, "/api/service?service=web.shop")

    assert found["endpoints"] is None and "no worker is connected" in found["endpoints_error"]
    assert found["explained"]["service"] == "web"


async def test_what_the_node_follows_is_told():
    mesh = Node()
    mesh.worker()
    async with mesh.serving() as address:
        _, _, found = await page(address, "/api/node")

    assert (found["node"], found["services"], found["cluster"], found["restored"]) == ("n1", 1, False, False)
    assert [each["number"] for each in found["workers"]] == [0]


async def test_a_tap_is_events_and_a_refused_one_a_page(tmp_path):
    mesh, path = Node(), tmp_path / "mesh"
    async with publishing(path, mesh.publisher), worker_at(path) as worker, mesh.serving() as address:
        await until_asked(worker, Replace)
        reader = Reader(address, "/api/tap?service=web.shop&path=/b")
        began = await reader.event("line")
        number = (await until_asked(worker, StartTap)).number
        await worker.send(line(Introduction(0, 1)) + line(Samples((sample(number, path=f"/b{HOSTILE}"),))))
        request = await reader.event("line")
        reader.close()
        refused = await page(address, "/api/tap?service=web.shop&status=9xx")

    assert (began["type"], request["type"], request["path"]) == ("tap", "request", f"/b{HOSTILE}")
    assert refused[0] == 400 and "--status" in refused[2]


async def test_hostile_texts_are_json_and_never_html():
    mesh = Node()
    failure = Failure(1.0, "shop/web:80", 503, "no-endpoints", HOSTILE, HOSTILE, f"/{HOSTILE}", 1, HOSTILE)
    mesh.publisher.failures.take("w", Failures((failure,), 0))
    async with mesh.serving() as address:
        reader = Reader(address, "/api/errors?stream=1")
        event = await reader.event("errors")
        reader.close()
        _, head, now = await page(address, "/api/errors")
        service = await page(address, "/api/service?service=%3Cimg%20src=x%3E")
        missing = await page(address, "/%3Cimg%20src=x%3E")

    assert "Content-Type: application/json" in head and "nosniff" in head
    assert event["errors"][0]["path"] == now["errors"][0]["path"] == f"/{HOSTILE}"
    for status, head, _ in (service, missing):
        assert status in (400, 404) and "Content-Type: text/plain" in head


async def test_streams_are_bounded_and_a_place_is_given_on():
    mesh = Node()
    async with mesh.serving() as address:
        readers = []
        for _ in range(STREAMS_MOST):
            readers.append(Reader(address, "/api/errors?stream=1"))
            await readers[-1].event("errors")
        beyond = await page(address, "/api/errors?stream=1")
        plain = await page(address, "/api/errors")
        readers[0].close()
        status = 503
        while status == 503:
            again = Reader(address, "/api/errors?stream=1")
            await again.more()
            status = int(again.data.split()[1])
            readers.append(again)
        for each in readers[1:]:
            each.close()

    assert beyond[0] == 503 and f"{STREAMS_MOST} streams are open" in beyond[2]
    assert (plain[0], status) == (200, 200)


@pytest.mark.no_cover  # a thousand lines, again and again
async def test_a_slow_reader_is_ended_and_the_others_go_on():
    mesh, requests = Node(), 0
    names = [f"service-{number:04}" for number in range(1000)]
    mesh.publisher.publish({f"shop/{name}": Service("shop", name, ports=(Port(80),)) for name in names}, in_sync=True)
    rules = Rules(mesh.site.rules.refusal, mesh.site.rules.lines, slow_s=0.05)
    async with mesh.serving(rules) as address:
        slow = Reader(address, "/api/services?stream=1", room_bytes=4096)
        quick = Reader(address, "/api/services?stream=1")
        await quick.event("services")
        while mesh.site.readers == 2:
            requests += 100
            mesh.worker(*(port(PortKey("shop", name, "80"), requests=requests + requests % 7) for name in names))
            await quick.event("rates")
        mesh.worker(port(requests=77))
        rows = []
        while "web.shop" not in rows:
            rows = [row[0] for row in (await quick.event("rates"))["ports"]]
        slow.close()
        quick.close()

    assert mesh.site.readers <= 1


async def test_a_reader_after_a_restart_of_the_control_process_gets_all_anew():
    before, after = Node(), Node()
    before.worker(port(requests=500))
    async with before.serving() as address:
        reader = Reader(address, "/api/services?stream=1")
        await reader.event("services")
    after.worker(port(requests=501))  # the worker goes on, and reports its totals
    async with after.serving() as address:
        again = Reader(address, "/api/services?stream=1")
        whole = await again.event("services")
        again.close()
    reader.close()

    assert whole["services"][0]["ports"][0]["requests_per_s"] == 0.0  # not 501 in a second


def test_too_many_services_are_those_with_traffic_then_those_followed():
    in_force = {f"shop/{name}": Service("shop", name) for name in ("a", "b", "c", "d")}
    called, followed = PortKey("shop", "d", "80"), PortKey("shop", "c", "80")

    assert shown(in_force, [called], [followed], 3) == ["shop/a", "shop/c", "shop/d"]


@pytest.mark.no_cover  # a thousand lines, again and again
def test_a_thousand_services_are_a_megabyte_at_most_and_a_second_of_them_a_tenth():
    mesh = Node()
    services, keys = {}, []
    for number in range(1000):
        name = f"service-{number:04}"
        services[f"shop/{name}"] = Service(
            "shop", name, "127.77.3.4", (Port(80, endpoints=(Endpoint("10.0.0.1", 80),)),)
        )
        keys.append(PortKey("shop", name, "80"))
    history, live = mesh.site.history, mesh.site.live
    mesh.worker()
    history.step()
    live.begin()
    for step in range(1, 62):
        mesh.worker(*(port(key, requests=step * (index + 3)) for index, key in enumerate(keys)))
        history.step()
    live.tick()

    whole = services_now(mesh.publisher.reports.numbers(), services, {key: Rate() for key in keys}, history)
    ((_, second),) = live.feed.kept

    assert len(json.loads(whole)["services"]) == 1000
    assert len(whole) < 2_000_000
    assert len(second) < 100_000
