"""Finds the service, and the port, that a request for a page names."""

from collections.abc import Iterable, Mapping
from functools import partial

from anyio import to_thread

from discovery.observe.server import Asked, Page
from discovery.problem import shown
from nodeproxy.mesh.model import Service
from nodeproxy.mesh.names import MeshName, named
from nodeproxy.mesh.spelling import spelled_alike

CLOSE_MOST = 5
PORT_DIGITS_MOST = 5  # int() itself refuses thousands of digits, with an error


class NotFound(Exception):
    """There is no such service or port; the text says what is close to it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.page = Page(status, f"{text}\n".encode())


async def service_asked(asked: Asked, services: Mapping[str, Service]) -> tuple[Service, int]:
    """The service of the query's `service`, and the number of the port of it or of `port`; 0 for no port.

    Raises:
        NotFound: there is none.
    """
    text = asked.query.get("service", "")
    name = named(text)
    if name is None or name.pod:
        raise NotFound(400, f"{shown(text)} is not the name of a service; write reviews.shop or shop/reviews")
    service = services.get(name.key) if name.namespace else None
    if service is None:
        close = await to_thread.run_sync(partial(close_names, name, tuple(services)))  # 10,000 take most of a second
        raise NotFound(404, _unknown(name, close))
    return service, _port(service, asked.query.get("port") or str(name.port or 0))


def close_names(name: MeshName, keys: Iterable[str]) -> list[str]:
    """The names closest to `name`: first the same name in other namespaces, then those that are spelled alike."""
    by_name = {f"{service}.{namespace}": service for namespace, _, service in (key.partition("/") for key in keys)}
    same = sorted(full for full, service in by_name.items() if service == name.service)
    wanted = f"{name.service}.{name.namespace}" if name.namespace else name.service
    alike = spelled_alike(wanted, by_name, CLOSE_MOST)
    return list(dict.fromkeys((*same[:CLOSE_MOST], *alike)))[:CLOSE_MOST]


def _unknown(name: MeshName, close: list[str]) -> str:
    if name.namespace:
        text = f"there is no service {name.service} in namespace {name.namespace} in the mesh"
    else:
        text = f"{name.service} needs its namespace: {name.service}.<namespace>"
    return f"{text}; close to it: {', '.join(close)}" if close else f"{text}; `nodeproxy services` lists those called"


def _port(service: Service, text: str) -> int:
    numbers = [port.number for port in service.ports]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= PORT_DIGITS_MOST else -1
    if number and number not in numbers:
        have = ", ".join(map(str, dict.fromkeys(numbers))) or "none"
        raise NotFound(404, f"{service.name}.{service.namespace} has no port {shown(text)[1:-1]}; it has {have}")
    return number
