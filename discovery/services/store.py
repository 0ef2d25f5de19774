"""The services in force and the slices of each, independent of the order in which they arrived."""

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.endpoints import EndpointSlice
from discovery.kubernetes.services import Service
from discovery.problem import Origin

Kind = TypeVar("Kind", bound="Service | EndpointSlice", covariant=True)


class Stored(NamedTuple, Generic[Kind]):
    """An object and its origin."""

    object: Kind
    origin: Origin


class Store:
    """Services and slices by the key of the service, `<namespace>/<name>`."""

    def __init__(self) -> None:
        self.services: dict[str, Stored[Service]] = {}
        self._slices: dict[str, dict[str, Stored[EndpointSlice]]] = {}
        self._service_of_slice: dict[str, str] = {}

    def apply(self, change: ObjectChange) -> set[str]:
        """Applies one change; returns the keys of the services that may have changed."""
        key = f"{change.ref.namespace}/{change.ref.name}"
        if change.ref.kind == "Service":
            self.services.pop(key, None)
            if isinstance(change, PutObject) and isinstance(change.object, Service):
                self.services[key] = Stored(change.object, change.origin)
            return {key}
        if change.ref.kind == "EndpointSlice":
            return self._apply_slice(key, change)
        return set()

    def _apply_slice(self, key: str, change: ObjectChange) -> set[str]:
        touched = set()
        before = self._service_of_slice.pop(key, None)
        if before is not None:
            touched.add(before)
            del self._slices[before][key]
            if not self._slices[before]:
                del self._slices[before]
        if isinstance(change, PutObject) and isinstance(change.object, EndpointSlice):
            service_key = change.object.service_key
            self._service_of_slice[key] = service_key
            self._slices.setdefault(service_key, {})[key] = Stored(change.object, change.origin)
            touched.add(service_key)
        return touched - {""}

    def slices_of(self, service_key: str) -> list[Stored[EndpointSlice]]:
        """The slices of a service, sorted by name."""
        return [stored for _, stored in sorted(self._slices.get(service_key, {}).items())]

    def slices_without_service(self) -> Iterator[Stored[EndpointSlice]]:
        """The slices without a service in force, sorted by name."""
        for key, service_key in sorted(self._service_of_slice.items()):
            if service_key not in self.services:
                yield self._slices[service_key][key]
