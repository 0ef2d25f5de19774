"""The API server as a source: joins one watch per kind, and per service whose endpoints are needed, to batches."""

from collections.abc import Callable, Coroutine, Sequence, Set
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskGroup

from discovery.kubernetes.callers import callers_of
from discovery.kubernetes.config_maps import POLICY_LABEL, ConfigMap
from discovery.kubernetes.objects import Ref
from discovery.kubernetes.services import Service
from discovery.problem import Problem
from discovery.sources.cluster.node import node_of
from discovery.sources.cluster.on_demand import OnDemand, slices_of_all
from discovery.sources.cluster.part import Part
from discovery.sources.cluster.pods import pods_of
from discovery.sources.cluster.pods_by_labels import PodsByLabels
from discovery.sources.cluster.watch import Api, Resource, World
from discovery.sources.source import Batch, Change, PodSelection
from nodeproxy.mesh.wire import Callers, Snapshot, WatchCounts, Watches

GATHER_S = 0.01  # changes that arrive together are applied together; not noticeable


@dataclass(frozen=True, slots=True)
class Plan:
    """What to follow. `node` is this node's name; if "", callers and distances are not determined."""

    policy_map: Ref
    node: str = ""
    on_demand: bool = False
    """Whether endpoints are followed only of subscribed services."""

    def resources(self) -> tuple[Resource, ...]:
        """The resources followed from the start."""
        policy_map = self.policy_map
        return (
            Resource("Service", "/api/v1/services", Service, why="names, ports and addresses of the mesh"),
            Resource(
                "ConfigMap",
                f"/api/v1/namespaces/{policy_map.namespace}/configmaps",
                ConfigMap,
                {"fieldSelector": f"metadata.name={policy_map.name}"},
                why="the policies of the mesh",
            ),
            Resource(
                "ConfigMap",
                "/api/v1/configmaps",
                ConfigMap,
                {"labelSelector": f"{POLICY_LABEL}=true"},
                required=False,
                why="policies of single namespaces",
                without=policy_map,
            ),
            *((node_of(self.node),) if self.node else ()),
            *(() if self.on_demand else (slices_of_all("endpoints are not followed on demand"),)),
        )


class Cluster:
    """Passes on the objects of an API server and their changes, until cancelled.

    The first batch follows the first list of every kind. While a watch is down, the last good state stays in
    force and batches are marked out of sync. `beside` runs as long as the source does.
    """

    def __init__(
        self, api: Api, plan: Plan, world: World, beside: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        self._api = api
        self._beside = beside
        self._world = world
        self._group: TaskGroup
        self._counts: dict[str, WatchCounts] = {}
        self._parts = [self._part(resource) for resource in plan.resources()]
        self._pods = self._part(pods_of(plan.node)) if plan.node else None
        self._on_demand = OnDemand(self._start)
        self._by_labels = PodsByLabels(self._start)
        self._woken = anyio.Event()

    def want(self, keys: Set[str]) -> None:
        """Sets the services whose endpoints are needed."""
        self._on_demand.want(keys)
        self._wake()

    def want_pods(self, selections: Set[PodSelection]) -> None:
        """Sets the pods that are needed for subsets."""
        self._by_labels.want(selections)
        self._wake()

    async def run(self, take: Callable[[Batch], None]) -> None:
        """Runs until cancelled."""
        async with anyio.create_task_group() as self._group:
            if self._beside is not None:
                self._group.start_soon(self._beside)
            for part in self._lasting():
                self._group.start_soon(part.run)
            while True:
                await self._woken.wait()
                await self._world.sleep(GATHER_S)
                self._woken = anyio.Event()
                if all(part.settled for part in self._lasting()):
                    take(Batch(tuple(self._changes()), self._problems(), self._in_sync(), self._snapshots()))
                elif problems := self._problems():
                    take(Batch((), problems, in_sync=False))

    def _changes(self) -> list[Change]:
        lasting: list[Change] = [change for part in self._parts for change in part.taken()]
        return lasting + self._by_labels.step() + self._on_demand.step()

    def _snapshots(self) -> tuple[Snapshot, ...]:
        counts = tuple(self._counts[kind] for kind in sorted(self._counts))
        watches = Watches(tuple(part.watched() for part in self._all()), counts)
        if self._pods is None:
            return (watches,)
        self._pods.taken()  # small enough to be sent whole
        return Callers(callers_of(self._pods.known.values())), watches

    def _problems(self) -> tuple[Problem, ...]:
        return tuple(problem for part in self._all() if (problem := part.problem()) is not None)

    def _in_sync(self) -> bool:
        return all(part.in_sync for part in self._all())

    def _all(self) -> Sequence[Part]:
        return (*self._lasting(), *self._on_demand.parts(), *self._by_labels.parts())

    def _lasting(self) -> Sequence[Part]:
        return self._parts if self._pods is None else (*self._parts, self._pods)

    def _part(self, resource: Resource) -> Part:
        return Part(resource, self._api, self._world, self._wake, self._counts)

    def _start(self, resource: Resource) -> tuple[Part, Callable[[], None]]:
        part, scope = self._part(resource), anyio.CancelScope()

        async def run() -> None:
            with scope:
                await part.run()

        self._group.start_soon(run)
        return part, scope.cancel

    def _wake(self) -> None:
        self._woken.set()
