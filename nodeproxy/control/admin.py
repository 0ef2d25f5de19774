"""The admin pages: /metrics, /livez, /readyz, /debug. Read-only, served by the same HTTP/1 code as services."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, generate_latest

from nodeproxy.errors import UnknownService
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.message import Response

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
METRICS = b"text/plain; version=0.0.4; charset=utf-8"


class Admin:
    """The handler of the admin pages. `ready` is the result of /readyz, `debug` renders /debug."""

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool], debug: Callable[[], bytes]) -> None:
        self._registry = registry
        self._ready = ready
        self._debug = debug

    async def __call__(self, exchange: Exchange) -> Response:
        """The requested page.

        Raises:
            UnknownService: no page has this path.
        """
        path = exchange.request.path.partition(b"?")[0]
        if exchange.request.method not in (b"GET", b"HEAD"):
            return _page(405, b"GET only\n", lines=b"Allow: GET, HEAD\r\n")  # RFC 9110, 15.5.6
        if path == b"/metrics":
            return _page(200, generate_latest(self._registry), METRICS)
        if path == b"/livez":
            return _page(200, b"alive\n")
        if path == b"/readyz":
            return _page(200, b"ready\n") if self._ready() else _page(503, b"not ready: no table, or draining\n")
        if path == b"/debug":
            return _page(200, self._debug(), JSON)
        raise UnknownService("admin pages are /metrics, /livez, /readyz and /debug")


def _page(status: int, body: bytes, content_type: bytes = TEXT, lines: bytes = b"") -> Response:
    return own_response(status, body, content_type, lines)
