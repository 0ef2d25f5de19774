"""The mesh in force: applies batches of changes, rebuilds the affected services, returns the differences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.objects import Node, Ref, subject_of
from discovery.policies.key import MESH_SCOPE, scopes_of
from discovery.policies.layers import PolicyLayers, Verdict
from discovery.problem import Problem
from discovery.services.address_claims import NOTHING, AddressClaims, Claim
from discovery.services.build import problems_of, service_of, wanted_address
from discovery.services.own_addresses import without_own_addresses
from discovery.services.own_policies import without_effect
from discovery.services.places import ANYWHERE, Place, place_of
from discovery.services.store import Store
from discovery.services.table_warnings import TableWarnings
from discovery.sources.source import Batch, Followed, Unfollowed
from nodeproxy.mesh.address import HEADLESS_RANGE, MESH_RANGE, Range
from nodeproxy.mesh.model import Service

POLICY_MAP = Ref("ConfigMap", "nodeproxy", "nodeproxy-policy")

Differences = Mapping[str, Service | None]
"""By key: a new or changed service, None for a deleted one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The mesh's two address ranges, its mesh-wide policy map, and the place of this node."""

    mesh_range: Range = MESH_RANGE
    headless_range: Range = HEADLESS_RANGE
    policy_map: Ref = POLICY_MAP
    on_demand: bool = False
    """Whether the source follows endpoints only of subscribed services."""
    virtual_addresses: bool = True
    """Whether workers listen at virtual addresses; if not, no service has one."""
    place: Place = ANYWHERE
    """As configured; a zone not configured is read from the Node object."""


class Catalogue:
    """All objects, and the services built from them."""

    def __init__(self, scope: Scope) -> None:
        self.services: dict[str, Service] = {}
        self.store = Store()
        self.policies = PolicyLayers(scope.policy_map)
        self._scope = scope
        self._followed: set[str] = set()
        self._place = scope.place
        self._claims = AddressClaims()
        self._source_problems: tuple[Problem, ...] = ()
        self._service_problems: dict[str, tuple[Problem, ...]] = {}
        self._warnings = TableWarnings(self.policies)
        self._unlooked = True

    def apply(self, batch: Batch) -> Differences:
        """Applies a batch; returns what has to be published."""
        self._source_problems = batch.problems
        touched: set[str] = set()
        policy_maps: dict[Ref, ObjectChange] = {}
        for change in batch.changes:
            if isinstance(change, Followed | Unfollowed):
                (self._followed.add if isinstance(change, Followed) else self._followed.discard)(change.key)
                touched.add(change.key)
            elif change.ref.kind == "Node":
                touched |= self._take_node(change)
            elif change.ref.kind == "ConfigMap":
                policy_maps[change.ref] = change  # parsing is slow: only the newest version of each
            else:
                touched |= self.store.apply(change)
        touched |= self._inside(self.policies.apply(*policy_maps.values()))
        for key in list(touched):
            touched |= self._claim(key)
        differing = [key for key in sorted(touched) if self._derive(key)]
        self._unlooked |= bool(policy_maps)
        if self._unlooked and batch.in_sync:  # before that, a service may be missing because it has not been listed
            self._warnings.look(self.services)
            self._unlooked = False
        return {key: self.services.get(key) for key in differing}

    def problems(self) -> Iterator[Problem]:
        """All current problems."""
        yield from self._source_problems
        yield from self.policies.problems
        yield from (problem for _, problem in self._warnings.found)
        for _, problems in sorted(self._service_problems.items()):
            yield from problems

    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts on all policy maps; the same object as long as none changes."""
        return self._warnings.verdicts()

    def warnings_of(self, key: str) -> Iterator[Problem]:
        """The warnings of the tables that apply to the service with this key."""
        maps = {(each.ref, each.key) for each in self.policies.written_for(key)}
        yield from (problem for ref, problem in self._warnings.found if (ref, problem.path[-1]) in maps)

    def problems_of(self, key: str) -> tuple[Problem, ...]:
        """The current problems of the service with this key."""
        return self._service_problems.get(key, ())

    def refused_maps(self, key: str) -> Iterator[tuple[Ref, Problem]]:
        """What is refused of the ConfigMaps that would apply to the service with this key, and why."""
        yield from self.policies.refusals_for(key)
        for problem in self._source_problems:  # objects that could not even be decoded
            kind, _, name = problem.subject.partition(" ")
            ref = Ref(kind, *name.split("/", 1)) if "/" in name else None
            applies = ref is not None and (ref == self._scope.policy_map or key.startswith(f"{ref.namespace}/"))
            if ref is not None and kind == "ConfigMap" and applies:
                yield ref, problem

    def _inside(self, scopes: set[str]) -> set[str]:
        """The keys of the services that are in one of these scopes."""
        if MESH_SCOPE in scopes or not scopes:
            return set(self.store.services if scopes else ())
        return {key for key in self.store.services if not scopes.isdisjoint(scopes_of(key))}

    def _take_node(self, change: ObjectChange) -> set[str]:
        """Reads this node's zone from its Node object."""
        if change.ref.name != self._scope.place.node:
            return set()
        found = change.object if isinstance(change, PutObject) and isinstance(change.object, Node) else None
        before, self._place = self._place, place_of(self._scope.place, found)
        return set(self.store.services) if self._place != before else set()

    def _claim(self, key: str) -> set[str]:
        stored = self.store.services.get(key)
        if stored is None:
            return self._claims.claim(key, NOTHING)
        address = wanted_address(stored.object, self._scope.mesh_range, self._scope.headless_range)
        return self._claims.claim(key, Claim(address, stored.object.metadata.creation_timestamp or ""))

    def _derive(self, key: str) -> bool:
        """Rebuilds the service; returns whether it changed."""
        before = self.services.pop(key, None)
        self._service_problems.pop(key, None)
        stored = self.store.services.get(key)
        if stored is None:
            self._unlooked |= before is not None
            return before is not None
        unsubscribed = self._scope.on_demand and key not in self._followed
        ranges = self._scope.mesh_range, self._scope.headless_range
        slices, looping = without_own_addresses([] if unsubscribed else self.store.slices_of(key), ranges)
        policies = self.policies.policies_of(key)
        address, owner = self._claims.owner(key) if self._scope.virtual_addresses else ("", key)
        problems = (*problems_of(stored, slices, self._place), *looping)
        if owner != key:
            message = f"{owner} has the virtual address {address} too and came first; this service gets none"
            problems += (Problem(message, stored.origin, subject_of("Service", key), ("spec", "clusterIP")),)
            address = ""
        service = replace(service_of(stored, slices, address, policies, self._place), unsubscribed=unsubscribed)
        unused = without_effect(service, self.policies.written_for(key))
        problems += tuple(self.policies.warning(written, message) for written, message in unused)
        if problems:
            self._service_problems[key] = problems
        self._unlooked |= before is None or _shape(service) != _shape(before)
        self.services[key] = before if service == before and before is not None else service
        return service != before


def _shape(service: Service) -> tuple[object, ...]:
    """What others may rely on who send requests to the service."""
    return tuple((port.key, port.protocol) for port in service.ports)
