"""The demo's HTTP services: small HTTP/1.1 servers in threads of this process, one of them unreliable."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

from nodeproxy.demo.threaded import serving

SERVED_BY = "x-served-by"


@dataclass(frozen=True, slots=True)
class Version:
    """One endpoint of a service, and its failure ratios."""

    service: str
    name: str
    refuses_ratio: float = 0.0
    """Share of requests answered with 503."""
    hangs_up_ratio: float = 0.0
    """Share of requests whose connection is closed without a response."""


VERSIONS = (
    Version("reviews", "reviews-v1"),
    Version("reviews", "reviews-v2", refuses_ratio=0.1, hangs_up_ratio=0.02),
    Version("ratings", "ratings-v1"),
)


@contextmanager
def running() -> Iterator[dict[str, int]]:
    """Run all versions on free loopback ports; yields the port by name."""
    with ExitStack() as stack:
        yield {version.name: stack.enter_context(serving(_server(version))) for version in VERSIONS}


def _server(version: Version) -> ThreadingHTTPServer:
    return ThreadingHTTPServer(("127.0.0.1", 0), _handler(version))


def _handler(version: Version) -> type[BaseHTTPRequestHandler]:
    chance = Random(version.name)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # buffered, so that head and body are sent in one segment

        def do_GET(self) -> None:
            luck = chance.random()
            if luck < version.hangs_up_ratio:
                self.close_connection = True
                return
            body = json.dumps({"service": version.service, "version": version.name}).encode() + b"\n"
            self.send_response(503 if luck < version.hangs_up_ratio + version.refuses_ratio else 200)
            self.send_header(SERVED_BY, version.name)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the table has the results."""

    return Handler
