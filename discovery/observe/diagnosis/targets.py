"""The service ports that the policies of another one send requests to, and that are not in the mesh. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from nodeproxy.mesh.model import Port, Service, port_key
from nodeproxy.policies import split
from nodeproxy.policies.block import PolicySettings


def missing_targets(
    settings: Mapping[str, PolicySettings], service: Service, port: Port, services: Mapping[str, Service]
) -> Iterator[str]:
    """Each as `split names shop/old:80`."""
    for policy, name in _targets(settings, service, port):
        key, _, number = name.partition(":")
        found = services.get(key)
        if found is None or number not in (each.key for each in found.ports):
            yield f"{policy} names {name}"


def _targets(settings: Mapping[str, Any], service: Service, port: Port) -> Iterator[tuple[str, str]]:
    if (of_split := settings.get("split")) is not None:
        yield from (("split", name) for name in split.names(of_split, service.namespace, service.name, port))
    fallback = settings.get("fallback")
    if fallback is not None and (other := fallback.service) is not None:
        number = port_key(other.port or port.number, port.transport)
        yield "fallback", f"{other.namespace or service.namespace}/{other.name}:{number}"
