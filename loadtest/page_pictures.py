"""Pictures of a node's page for the documentation: a shop of real servers behind a real node, and Chromium in front.

A folder of Kubernetes objects has no pods, so of the map alone the calls are written here. The pictures look as
intended with the fonts Inter and JetBrains Mono (Debian: fonts-inter, fonts-jetbrains-mono).
"""

import base64
import http.client
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page

from nodeproxy.demo.threaded import serving
from tests.fakes.bare_services import free_place
from tests.fakes.node import Node, policy, service
from tests.fakes.ports import free_port
from tests.page.mesh import SIZES, chromium

FONTS_S = 1.5  # after which the first numbers are there, and the charts with them
PICTURE_BYTES_MOST = 150_000
QUALITIES = (0.9, 0.8, 0.7, 0.6, 0.5)


class Shop(NamedTuple):
    """A service of the shop: how often it is called, how long it takes, and how often it fails."""

    name: str
    weight: int
    delay_s: float
    failing: float = 0.0
    callers: tuple[str, ...] = ()


SHOP = (
    Shop("web", 30, 0.004, callers=("node",)),
    Shop("catalog", 22, 0.003, callers=("shop/web", "shop/search")),
    Shop("search", 9, 0.011, failing=0.04, callers=("shop/web",)),
    Shop("cart", 12, 0.002, callers=("shop/web",)),
    Shop("checkout", 4, 0.018, callers=("shop/cart",)),
    Shop("payment", 5, 0.03, 0.3, ("shop/checkout",)),
    Shop("shipping", 2, 0.012, callers=("shop/checkout",)),
    Shop("reviews", 10, 0.005, callers=("shop/catalog",)),
    Shop("ratings", 8, 0.002, callers=("shop/reviews",)),
    Shop("inventory", 8, 0.007, callers=("shop/catalog", "shop/checkout")),
    Shop("users", 7, 0.004, callers=("shop/web",)),
    Shop("mail", 2, 0.02, callers=("shop/shipping", "shop/users")),
)
UNSERVED = "coupons"
"""A service without endpoints."""
POLICIES = {
    "_default": "timeouts: {request: 5s}\nretries: {attempts: 1, retryOn: [connect-failure]}",
    "payment.shop": "outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 30s, maxEjectionPercent: 40}\n"
    "retries: {attempts: 2, retryOn: [5xx, connect-failure]}",
    "mail.shop": "timeouts: {request: 60ms}\nretries: {attempts: 0}",
    "search.shop": "retries: {attempts: 0}",
    "reviews.shop": "routes:\n  rules:\n    - name: stars\n      match: {path: {prefix: /api/stars}}\n"
    "      split: [{weight: 9}, {service: ratings, weight: 1}]\n"
    "    - name: beta\n      match: {headers: [{name: x-beta, exact: '1'}]}\n"
    "      canary: {service: ratings, requestsPerSecond: 5}\n",
}
PATHS = ("/", "/api/items", "/api/items/17", "/api/stars", "/healthz")


class Picture(NamedTuple):
    """A view, and how it is seen."""

    name: str
    view: str
    size: str = "wide"
    scheme: str = "light"


PICTURES = (
    Picture("page-services", "services"),
    Picture("page-services-dark", "services", scheme="dark"),
    Picture("page-map", "map"),
    Picture("page-service", "service/payment.shop"),
    Picture("page-routes-dark", "service/reviews.shop", scheme="dark"),
    Picture("page-errors", "errors"),
    Picture("page-tap-dark", "tap?service=payment.shop", scheme="dark"),
    Picture("page-node", "node"),
    Picture("page-phone", "services", "phone"),
    Picture("page-phone-dark", "service/payment.shop", "phone", "dark"),
)


def take(out: Path, seconds: float, say: Callable[[str], None]) -> None:
    """Calls the shop for so many seconds, and writes its pictures into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        shop(Path(folder)) as (node, page),
        calls(node),
        chromium() as browser,
    ):
        say(f"calling the shop for {seconds:g} s")
        time.sleep(seconds)
        for picture in PICTURES:
            path = out / f"{picture.name}.webp"
            path.write_bytes(_taken(browser, page, picture))
            say(f"{path}: {path.stat().st_size} bytes")


@contextmanager
def shop(folder: Path) -> Iterator[tuple[Node, str]]:
    """The node, and the address of its page."""
    mesh, port = folder / "mesh", free_port()
    mesh.mkdir()
    with ExitStack() as stack:
        for each in SHOP:
            ports = [
                stack.enter_context(serving(_server(each, index == 0 or each.failing < 0.1))) for index in range(3)
            ]
            (mesh / f"{each.name}.yaml").write_text(service(each.name, *ports, cluster_ip=free_place().cluster_ip))
        (mesh / f"{UNSERVED}.yaml").write_text(service(UNSERVED, cluster_ip=free_place().cluster_ip))
        (mesh / "policy.yaml").write_text(policy(**POLICIES))
        node = stack.enter_context(Node(mesh, "--workers", "2", page=f"127.0.0.1:{port}"))
        yield node, f"http://127.0.0.1:{port}"


def _server(each: Shop, failing: bool) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            time.sleep(random.expovariate(1 / each.delay_s))
            self.send_response(503 if failing and random.random() < each.failing else 200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@contextmanager
def calls(node: Node, clients: int = 6) -> Iterator[None]:
    """Calls the services by their weights, from some clients, as long as the block lasts."""
    over = threading.Event()

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", node.port)
        while not over.wait(random.expovariate(1 / 0.03)):
            (name,) = random.choices((*(each.name for each in SHOP), UNSERVED), (*(each.weight for each in SHOP), 0.3))
            connection.request("GET", random.choice(PATHS), headers={"Host": f"{name}.shop.mesh"})
            connection.getresponse().read()

    threads = [threading.Thread(target=call) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _taken(browser: Browser, address: str, picture: Picture) -> bytes:
    with opened(browser, address, picture, calls_of=SHOP) as page:
        page.wait_for_timeout(FONTS_S * 1000 * (4 if "tap" in picture.view else 1))
        return compressed(page, page.screenshot())


@contextmanager
def opened(browser: Browser, address: str, picture: Picture, calls_of: Sequence[Shop] = ()) -> Iterator[Page]:
    """The page at this view, live; with `calls_of`, its map has the callers of these services."""
    context = browser.new_context(viewport=SIZES[picture.size], color_scheme=picture.scheme, device_scale_factor=2)
    page = context.new_page()
    if calls_of:
        page.route(
            "**/api/map?stream=1",
            lambda route: route.fulfill(content_type="text/event-stream", body=_map(page, address, calls_of)),
        )
    page.goto(f"{address}/#/{picture.view}")
    page.locator("#freshness[data-state=live]").wait_for()
    yield page
    context.close()


def _map(page: Page, address: str, services: Sequence[Shop]) -> str:
    now = page.request.get(f"{address}/api/services").json()
    ports = {each["name"]: each["ports"][0] for each in now["services"]}
    edges = [
        {"from": caller, "to": f"{each.name}.shop", "port": "80", "p99_s": ports[f"{each.name}.shop"]["p99_s"]}
        | {rate: ports[f"{each.name}.shop"][rate] / len(each.callers) for rate in ("requests_per_s", "errors_per_s")}
        for each in services
        for caller in each.callers
    ]
    return f"event: map\ndata: {json.dumps({'at': now['at'], 'edges': edges, 'others': 0})}\n\n"


def compressed(page: Page, png: bytes) -> bytes:
    """The picture as the browser itself encodes it, at the best quality within the limit."""
    page.goto("about:blank")
    for quality in QUALITIES:
        text = page.evaluate(
            """async ([data, quality]) => {
                const image = new Image();
                image.src = data;
                await image.decode();
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [image.width, image.height];
                canvas.getContext('2d').drawImage(image, 0, 0);
                return canvas.toDataURL('image/webp', quality);
            }""",
            [f"data:image/png;base64,{base64.b64encode(png).decode()}", quality],
        )
        found = base64.b64decode(text.partition(",")[2])
        if len(found) <= PICTURE_BYTES_MOST:
            break
    return found
