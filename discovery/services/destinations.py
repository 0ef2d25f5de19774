"""Places that a policy table sends requests to, and whether the mesh has them. Pure.

A split or a route sends requests to the endpoints of its targets, without the targets' own policies: splits cannot
make a loop.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from nodeproxy.mesh.model import Port, Service
from nodeproxy.policies.block import Block, PolicySettings
from nodeproxy.policies.fallback import FallbackService
from nodeproxy.policies.faults import Path
from nodeproxy.policies.targets import Destination, Target

OF_CONNECTIONS = ("split",)  # all other policies send nothing but HTTP requests elsewhere


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
    return tuple(aim for name, policy in settings.items() for aim in _aims(policy, (name,)))


def wrong(aim: Aim, service: Service, services: Mapping[str, Service]) -> Iterator[tuple[str, str]]:
    """What is wrong with a place in a table of `service`, by the field of it: the mesh has `services`."""
    key = aim.key_for(service)
    target, name = services.get(key), ".".join(reversed(key.split("/")))
    if target is None:
        yield "service", f"there is no service {name} in the mesh{_meant(key, services)}; requests to it fail with 503"
        return
    if (
        aim.path[0] == "fallback"
        and key == service.key
        and aim.port in (None, *(port.number for port in service.ports))
    ):
        yield "name", f"{name} falls back to itself; name another service, or write a response"
    for port in service.ports:
        if port.takes_requests or (aim.path[0] in OF_CONNECTIONS and port.served):
            yield from _wrong_port(aim, port, target, name)


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


def _meant(key: str, services: Mapping[str, Service]) -> str:
    namespace, _, name = key.partition("/")
    near = [each.name for each in services.values() if each.namespace == namespace]
    elsewhere = next((each for each in services.values() if each.name == name), None)
    close = get_close_matches(name, near, 1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; did you mean the one of namespace {elsewhere.namespace}?" if elsewhere is not None else ""


def _aims(value: object, path: Path) -> Iterator[Aim]:
    if isinstance(value, Target) and not value.weight:
        return
    if isinstance(value, Destination):
        yield Aim(path, value.service, value.namespace, value.port)
    elif isinstance(value, FallbackService):
        yield Aim(path, value.name, value.namespace, value.port)
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _aims(each, (*path, index))
    elif isinstance(value, Block):
        for name, field in type(value).model_fields.items():
            yield from _aims(getattr(value, name), (*path, field.alias or name))
