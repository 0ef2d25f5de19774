"""The tour's HTTP services: small HTTP/1.1 servers in threads of this process, which a step can break."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from nodeproxy.demo.threaded import serving

SERVED_BY = "x-served-by"


class Endpoint:
    """One endpoint; `at_once` requests are worked on at the same time, each for `work_s`, and others wait."""

    def __init__(self, name: str, at_once: int = 64, work_s: float = 0.0) -> None:
        self.name = name
        self.port = 0
        self.fails = False
        """Whether every request is answered with 503."""
        self.received = 0
        """Requests so far."""
        self._places = threading.BoundedSemaphore(at_once)
        self._work_s = work_s

    def work(self) -> int:
        """Works on one request; returns the status of its response."""
        self.received += 1
        with self._places:
            if self._work_s:
                time.sleep(self._work_s)
        return 503 if self.fails else 200


@contextmanager
def running() -> Iterator[Mapping[str, Endpoint]]:
    """Run all endpoints on free loopback ports; yields them by name."""
    endpoints = [Endpoint(name) for name in ("reviews-a", "reviews-b", "reviews-v2", "orders-a")]
    endpoints.append(Endpoint("ratings-a", at_once=2, work_s=0.02))  # handles 100 requests per second
    with ExitStack() as stack:
        for endpoint in endpoints:
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(endpoint))
            endpoint.port = stack.enter_context(serving(server))
        yield {endpoint.name: endpoint for endpoint in endpoints}


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # buffered, so that head and body are sent in one segment

        def do_GET(self) -> None:
            self.send_response(endpoint.work())
            body = json.dumps({"endpoint": endpoint.name}).encode() + b"\n"
            self.send_header(SERVED_BY, endpoint.name)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the table has the results."""

    return Handler
