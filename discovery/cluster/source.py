"""The API server as a source: one watch per kind, joined to batches."""

from collections.abc import Callable, Sequence
from math import inf

import anyio

from discovery.cluster.errors import ApiError, Forbidden
from discovery.cluster.watch import Api, Resource, Watch, World
from discovery.objects import ConfigMap, EndpointSlice, Ref, Service
from discovery.problem import Problem
from discovery.source import Batch, Change

GATHER_S = 0.01  # changes that come together are taken together; far below what anybody notices
TOLD_AFTER_S = 5.0  # an outage shorter than this is no problem an operator has to know of


def resources(policy_map: Ref) -> tuple[Resource, ...]:
    """What the mesh follows."""
    return (
        Resource("Service", "/api/v1/services", Service),
        Resource("EndpointSlice", "/apis/discovery.k8s.io/v1/endpointslices", EndpointSlice),
        Resource(
            "ConfigMap",
            f"/api/v1/namespaces/{policy_map.namespace}/configmaps",
            ConfigMap,
            {"fieldSelector": f"metadata.name={policy_map.name}"},
        ),
    )


class Cluster:
    """Feeds what an API server has, and what changes there, until cancelled.

    The first batch comes when every kind has been listed once. While a watch is down, the last good state stays in
    force and the batch says that it is out of sync.
    """

    def __init__(self, api: Api, wanted: Sequence[Resource], world: World) -> None:
        self._world = world
        self._parts = [_Part(resource, self._wake, world.now) for resource in wanted]
        self._watches = [Watch(part.resource, api, part, world) for part in self._parts]
        self._woken = anyio.Event()

    async def run(self, take: Callable[[Batch], None]) -> None:
        """Feed, for good."""
        async with anyio.create_task_group() as group:
            for watch in self._watches:
                group.start_soon(watch.run)
            while True:
                await self._woken.wait()
                await self._world.sleep(GATHER_S)
                self._woken = anyio.Event()
                if all(part.ever_in_sync for part in self._parts):
                    changes = tuple(change for part in self._parts for change in part.taken())
                    take(Batch(changes, self._problems(), all(part.error is None for part in self._parts)))
                elif problems := self._problems():
                    take(Batch((), problems, in_sync=False))

    def _problems(self) -> tuple[Problem, ...]:
        return tuple(problem for part in self._parts if (problem := part.problem()) is not None)

    def _wake(self) -> None:
        self._woken.set()


class _Part:
    """What one watch has told and nobody has taken yet."""

    def __init__(self, resource: Resource, wake: Callable[[], None], now: Callable[[], float]) -> None:
        self.resource = resource
        self.ever_in_sync = False
        self.error: ApiError | None = None
        self._failing_since = inf
        self._wake = wake
        self._now = now
        self._changes: list[Change] = []

    def changed(self, changes: tuple[Change, ...]) -> None:
        """See `watch.Heard`."""
        self._changes += changes
        self._wake()

    def in_sync(self) -> None:
        """See `watch.Heard`."""
        if self.error is not None or not self.ever_in_sync:
            self._wake()
        self.ever_in_sync, self.error, self._failing_since = True, None, inf

    def failed(self, error: ApiError) -> None:
        """See `watch.Heard`."""
        self.error = error
        self._failing_since = min(self._failing_since, self._now())
        self._wake()

    def taken(self) -> list[Change]:
        """The changes so far; they are given once."""
        changes, self._changes = self._changes, []
        return changes

    def problem(self) -> Problem | None:
        """What an operator has to know; a missing permission at once, a short outage not at all."""
        if isinstance(self.error, Forbidden):
            cure = f"give nodeproxy's service account get, list and watch of {self.resource.path}"
            return Problem(f"the API server forbids it: {self.error}; {cure}", subject=self.resource.kind)
        if self.error is None or self._now() - self._failing_since < TOLD_AFTER_S:
            return None
        return Problem(f"not followed, the last good state is in force: {self.error}", subject=self.resource.kind)
