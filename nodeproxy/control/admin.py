"""The admin pages of a worker: /livez and /readyz. Read-only, served by the same HTTP/1 code as services.

The control process serves /metrics and everything else that people ask: a page of thousands of services would delay
requests here.
"""

from collections.abc import Callable

from nodeproxy.errors import UnknownService
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.protocol.errors_as_responses import own_response
from nodeproxy.protocol.message import Response

TEXT = b"text/plain; charset=utf-8"


class Admin:
    """The handler of the admin pages. `ready` is the result of /readyz.

    `metrics` is host and port of the control process's /metrics, to which requests are redirected.
    """

    def __init__(self, metrics: tuple[str, int], ready: Callable[[], bool]) -> None:
        host, port = metrics
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._metrics = f"http://{authority}/metrics".encode()
        self._ready = ready

    async def __call__(self, exchange: Exchange) -> Response:
        """The requested page.

        Raises:
            UnknownService: no page has this path.
        """
        path = exchange.request.path.partition(b"?")[0]
        if exchange.request.method not in (b"GET", b"HEAD"):
            return _page(405, b"GET only\n", lines=b"Allow: GET, HEAD\r\n")  # RFC 9110, 15.5.6
        if path == b"/metrics":
            text = b"the metrics of this node are at %b (setting metrics)\n" % self._metrics
            return _page(308, text, lines=b"Location: %b\r\n" % self._metrics)
        if path == b"/livez":
            return _page(200, b"alive\n")
        if path == b"/readyz":
            return _page(200, b"ready\n") if self._ready() else _page(503, b"not ready: no table, or draining\n")
        raise UnknownService("admin pages are /livez and /readyz; `nodeproxy status` shows the rest")


def _page(status: int, body: bytes, lines: bytes = b"") -> Response:
    return own_response(status, body, TEXT, lines)
