"""The few objects this is about, one watch each, and how they are read and written."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from discovery.cluster_dns.plan import NAMESPACE, Change, Data
from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.objects import Metadata, Object
from discovery.problem import Problem
from discovery.sources.cluster.errors import ApiError, Forbidden
from discovery.sources.cluster.outage import Outage
from discovery.sources.cluster.watch import Api as ReadingApi
from discovery.sources.cluster.watch import Resource

CURE = "apply manifests/base/dns-rbac.yaml, which has the permissions and their reasons"


class ManagedMetadata(Metadata, frozen=True, rename="camel"):
    """`metadata` of an object that is written, or whose end is awaited."""

    resource_version: str = ""
    deletion_timestamp: str | None = None


class Managed(Object, frozen=True, kw_only=True):
    """A ConfigMap with its texts, or any other object without."""

    metadata: ManagedMetadata
    data: dict[str, str] | None = None


class _List(msgspec.Struct):
    items: list[Managed] | None = None


class Api(ReadingApi, Protocol):
    """See `api.Api`."""

    async def merge(self, path: str, patch: Mapping[str, object]) -> None: ...

    async def create(self, path: str, value: Mapping[str, object]) -> None: ...


class Place(NamedTuple):
    """Where one object is."""

    kind: str
    collection: str
    name: str

    @property
    def resource(self) -> Resource:
        """What to watch."""
        return Resource(self.kind, self.collection, Managed, {"fieldSelector": f"metadata.name={self.name}"})

    @property
    def subject(self) -> str:
        """As a log line names it."""
        parts = self.collection.split("/")
        namespace = f"{parts[parts.index('namespaces') + 1]}/" if "namespaces" in parts[:-1] else ""
        return f"{self.kind} {namespace}{self.name}"


def config_map(name: str) -> Place:
    """A ConfigMap of the cluster's DNS."""
    return Place("ConfigMap", f"/api/v1/namespaces/{NAMESPACE}/configmaps", name)


def owners(namespace: str, deployment: str) -> tuple[Place, Place]:
    """The objects with whose end the mesh is uninstalled."""
    return (
        Place("Namespace", "/api/v1/namespaces", namespace),
        Place("Deployment", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment),
    )


def texts(kept: Managed | None) -> Data | None:
    """The texts of a ConfigMap, None when there is none."""
    return None if kept is None else kept.data or {}


async def read(api: Api, place: Place) -> Managed | None:
    """The object as it is now, None when there is none. By a list, as the permissions are those of a watch.

    Raises:
        ApiError: it cannot be read.
    """
    answer = await api.read(place.resource.path, place.resource.query)
    items = msgspec.json.decode(answer, type=_List).items
    return items[0] if items else None


async def write(api: Api, change: Change, version: str) -> None:
    """Carry out `change` on the ConfigMap that was read in `version`.

    Raises:
        Conflict: it is another one by now.
        ApiError: it is not written, or nobody can say whether it is.
    """
    place = config_map(change.name)
    if change.create:
        meta = {"name": change.name, "namespace": NAMESPACE}
        await api.create(
            place.collection, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": dict(change.data)}
        )
    else:
        patch = {"metadata": {"resourceVersion": version}, "data": dict(change.data)}
        await api.merge(f"{place.collection}/{change.name}", patch)


class Seen:
    """What the watch of one object has told."""

    def __init__(self, place: Place, wake: Callable[[], None], now: Callable[[], float]) -> None:
        self.place = place
        self.known = False
        """Whether it has been in sync: only then None means that there is none."""
        self.object: Managed | None = None
        self.ending = False
        """Whether it is being deleted, or was there and is gone."""
        self._wake = wake
        self._outage = Outage(now)

    def changed(self, changes: tuple[ObjectChange, ...]) -> None:
        """See `watch.Heard`."""
        for change in changes:
            found = change.object if isinstance(change, PutObject) else None
            self.take(found if isinstance(found, Managed) else None)
        self._wake()

    def take(self, found: Managed | None) -> None:
        """The object is this one now."""
        if found is None:
            self.ending = self.ending or self.object is not None
        else:
            self.ending = found.metadata.deletion_timestamp is not None
        self.object = found

    def synced(self) -> None:
        """See `watch.Heard`."""
        if not self.known or self._outage.error is not None:
            self._wake()
        self.known = True
        self._outage.is_over()

    def failed(self, error: ApiError) -> None:
        """See `watch.Heard`."""
        self._outage.goes_on(error)
        self._wake()

    def problem(self) -> Problem | None:
        """What an operator has to know; a missing permission at once, a short outage not at all."""
        error = self._outage.worth_reporting
        if isinstance(error, Forbidden):
            return forbidden(error, self.place)
        return None if error is None else Problem(f"not followed: {error}", subject=self.place.subject)


def forbidden(error: Forbidden, place: Place) -> Problem:
    """A missing permission, and how to get it."""
    return Problem(f"the API server forbids it: {error}; {CURE}", subject=place.subject)
