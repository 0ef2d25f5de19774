"""The demo's requests: by mesh name, through the proxy, a few at a time."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpcore

from nodeproxy.demo.services import SERVED_BY

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one request."""

    service: str
    endpoint: str
    """Name in the response's x-served-by; "" if the mesh generated the response."""
    status: int
    seconds: float


def send(listen: str, services: tuple[str, ...], count: int) -> Iterator[Answer]:
    """Send `count` requests to the services in turn; yields the responses in order."""
    with httpcore.ConnectionPool(max_connections=AT_ONCE) as pool, ThreadPoolExecutor(AT_ONCE) as threads:
        wanted = (services[index % len(services)] for index in range(count))
        yield from threads.map(lambda service: _ask(pool, listen, service), wanted)


def _ask(pool: httpcore.ConnectionPool, listen: str, service: str) -> Answer:
    began = time.perf_counter()
    answer = pool.request("GET", f"http://{listen}/", headers={"Host": f"{service}.shop.mesh"})
    fields = {name.lower(): value for name, value in answer.headers}
    endpoint = fields.get(SERVED_BY.encode(), b"").decode()
    return Answer(service, endpoint, answer.status, time.perf_counter() - began)
