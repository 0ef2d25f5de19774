"""The objects that the keeper reads and writes, with one watch each."""

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
    """`metadata` of an object that is written, or whose deletion is awaited."""

    resource_version: str = ""
    deletion_timestamp: str | None = None


class Managed(Object, frozen=True, kw_only=True):
    """A ConfigMap with its texts, or another object without."""

    metadata: ManagedMetadata
    data: dict[str, str] | None = None


class _List(msgspec.Struct):
    items: list[Managed] | None = None


class Api(ReadingApi, Protocol):
    """See `api.Api`."""

    async def merge(self, path: str, patch: Mapping[str, object]) -> None: ...

    async def create(self, path: str, value: Mapping[str, object]) -> None: ...


class Place(NamedTuple):
    """The path of one object."""

    kind: str
    collection: str
    name: str

    @property
    def resource(self) -> Resource:
        """The resource to watch."""
        return Resource(self.kind, self.collection, Managed, {"fieldSelector": f"metadata.name={self.name}"})

    @property
    def subject(self) -> str:
        """Its name in log lines."""
        parts = self.collection.split("/")
        namespace = f"{parts[parts.index('namespaces') + 1]}/" if "namespaces" in parts[:-1] else ""
        return f"{self.kind} {namespace}{self.name}"


def config_map(name: str) -> Place:
    """A ConfigMap of the cluster's DNS."""
    return Place("ConfigMap", f"/api/v1/namespaces/{NAMESPACE}/configmaps", name)


def owners(namespace: str, deployment: str) -> tuple[Place, Place]:
    """The objects whose deletion is the uninstall of the mesh."""
    return (
        Place("Namespace", "/api/v1/namespaces", namespace),
        Place("Deployment", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment),
    )


def texts(found: Managed | None) -> Data | None:
    """The texts of a ConfigMap, None if it does not exist."""
    return None if found is None else found.data or {}


async def read(api: Api, place: Place) -> Managed | None:
    """The current object, None if it does not exist. Uses a list, which the permissions for a watch include.

    Raises:
        ApiError: it cannot be read.
    """
    answer = await api.read(place.resource.path, place.resource.query)
    items = msgspec.json.decode(answer, type=_List).items
    return items[0] if items else None


async def write(api: Api, change: Change, version: str) -> None:
    """Applies `change` to the ConfigMap that was read in `version`.

    Raises:
        Conflict: it has changed since.
        ApiError: it is not written, or it is unknown whether it is.
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
    """The state of one object, from its watch."""

    def __init__(self, place: Place, wake: Callable[[], None], now: Callable[[], float]) -> None:
        self.place = place
        self.known = False
        """Whether the watch has been in sync: only then None means that the object does not exist."""
        self.object: Managed | None = None
        self.ending = False
        """Whether it is being deleted, or has been deleted."""
        self._wake = wake
        self._outage = Outage(now)

    def changed(self, changes: tuple[ObjectChange, ...]) -> None:
        """See `watch.Heard`."""
        for change in changes:
            found = change.object if isinstance(change, PutObject) else None
            self.take(found if isinstance(found, Managed) else None)
        self._wake()

    def listed(self) -> None:
        """See `watch.Heard`."""

    def take(self, found: Managed | None) -> None:
        """Replaces the object."""
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
        """The problem to report: a missing permission at once, an outage once it lasts."""
        error = self._outage.worth_reporting
        if isinstance(error, Forbidden):
            return forbidden(error, self.place)
        return None if error is None else Problem(f"not followed: {error}", subject=self.place.subject)


def forbidden(error: Forbidden, place: Place) -> Problem:
    """The problem of a missing permission, with the cure."""
    return Problem(f"the API server forbids it: {error}; {CURE}", subject=place.subject)
