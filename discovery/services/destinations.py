"""Places that a policy table sends requests to, and whether the mesh has them. Pure.

A split or a route sends requests to the endpoints of its targets, without the targets' own policies: splits cannot
make a loop.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.spelling import spelled_alike
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.destinations import places
from nodeproxy.policies.fallback import FallbackService
from nodeproxy.policies.table_faults import Path
from nodeproxy.policies.targets import Destination, Target

OF_CONNECTIONS = ("split",)  # all other policies send nothing but HTTP requests elsewhere

MEANT_MOST = 100  # missing names for which a similar one is looked for: a millisecond each in a large namespace


class Aim(NamedTuple):
    """One place that a table names, and where it does."""

    path: Path
    service: str | None
    namespace: str | None
    port: int | None

    def key_for(self, service: Service) -> str:
        """The key of the service that it means in a table of `service`."""
        return f"{self.namespace or service.namespace}/{self.service or service.name}"


def aims_of(settings: Mapping[str, PolicySettings]) -> tuple[Aim, ...]:
    """All places that these policies send requests to, those that get none by their weight left out."""
    found = (each for name, policy in settings.items() for each in places(policy, (name,)))
    return tuple(_aim(path, place) for path, place in found if not isinstance(place, Target) or place.weight)


class Places:
    """The services that the mesh has. What is close to a name that is missing is looked for once."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services = services
        self._meant: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self._namespaces: dict[str, str] = {}

    def wrong(self, aim: Aim, service: Service) -> Iterator[tuple[str, str]]:
        """What is wrong with a place in a table of `service`, by the field of it."""
        key = aim.key_for(service)
        target, name = self._services.get(key), ".".join(reversed(key.split("/")))
        if target is None:
            if key not in self._meant:
                self._meant[key] = self._close(key)
            message = f"there is no service {name} in the mesh{self._meant[key]}; requests to it fail with 503"
            yield "service", message
            return
        same_port = aim.port is None or {port.number for port in service.ports} == {aim.port}
        if aim.path[0] == "fallback" and key == service.key and same_port:
            yield "name", f"{name} falls back to itself; name another service, or write a response"
        for port in service.ports:
            if port.takes_requests or (aim.path[0] in OF_CONNECTIONS and port.served):
                yield from _wrong_port(aim, port, target, name)

    def _close(self, key: str) -> str:
        """What was probably meant by the name of a service that there is not."""
        if not self._names:
            for each in self._services.values():
                self._names.setdefault(each.namespace, []).append(each.name)
                self._namespaces.setdefault(each.name, each.namespace)
        namespace, _, name = key.partition("/")
        if len(self._meant) < MEANT_MOST and (close := spelled_alike(name, self._names.get(namespace, ()), 1)):
            return f"; did you mean {close[0]}?"
        elsewhere = self._namespaces.get(name)
        return f"; did you mean the one of namespace {elsewhere}?" if elsewhere else ""


def _wrong_port(aim: Aim, port: Port, target: Service, name: str) -> Iterator[tuple[str, str]]:
    number = aim.port or port.number
    found = next((each for each in target.ports if (each.number, each.transport) == (number, port.transport)), None)
    if found is None:
        have = ", ".join(each.key for each in target.ports) or "none"
        unset = "" if aim.port else f", which is meant where port is not written (it is that of port {port.key})"
        yield "port", f"{name} has no port {number}{unset}; its ports are {have}"
    elif port.transport == "tcp":
        requests_only = aim.path[0] not in OF_CONNECTIONS or not port.takes_connections
        if requests_only and not found.takes_requests:
            message = f"port {number} of {name} speaks {found.protocol}: HTTP requests to it fail; name a port of HTTP"
            yield "port", message
        elif not port.takes_requests and not found.takes_connections:
            message = f"port {number} of {name} speaks {found.protocol}: connections of {port.protocol} to it fail"
            yield "port", f"{message}; name a port of {port.protocol}"


def _aim(path: Path, place: Destination | FallbackService) -> Aim:
    service = place.name if isinstance(place, FallbackService) else place.service
    return Aim(path, service, place.namespace, place.port)
