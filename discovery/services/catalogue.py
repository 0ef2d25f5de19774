"""The mesh in force: applies batches of changes, rebuilds the affected services, returns the differences."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import time

from msgspec.structs import replace

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.objects import Ref, subject_of
from discovery.kubernetes.pods import Node
from discovery.policies.key import MESH_SCOPE, scopes_of
from discovery.policies.label_sets import NONE, LabelSet, LabelSets
from discovery.policies.layers import PolicyLayers, Verdict
from discovery.problem import Problem
from discovery.rollouts.rollouts import CountsOf, InForce, Rollouts, described
from discovery.services.address_claims import NOTHING, AddressClaims, Claim
from discovery.services.build import problems_of, service_of, wanted_address
from discovery.services.own_addresses import without_own_addresses
from discovery.services.own_policies import without_effect
from discovery.services.places import ANYWHERE, Place, place_of
from discovery.services.store import Store
from discovery.services.subsets import SELECTIONS_MOST, Subsets
from discovery.services.table_warnings import TableWarnings
from discovery.sources.source import Batch, Followed, Selected, Unfollowed, Unselected
from nodeproxy.mesh.address import HEADLESS_RANGE, MESH_RANGE, Range
from nodeproxy.mesh.model import Service
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.table import settings_of

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
    traefik_annotations: bool = True
    """Whether the annotations of Traefik Mesh on Services are read."""
    registry: Registry = BUILT_IN
    """The policies that services may have."""


class Catalogue:
    """All objects, and the services built from them."""

    def __init__(self, scope: Scope, wall: Callable[[], float] = time) -> None:
        self.services: dict[str, Service] = {}
        self.store = Store()
        self.registry = scope.registry
        self.policies = PolicyLayers(scope.policy_map, partial(settings_of, registry=scope.registry))
        self.rollouts = Rollouts(scope.place.node, wall)
        self.subsets = Subsets()
        self._label_sets = LabelSets(partial(settings_of, registry=scope.registry))
        self._opened: set[str] = set()
        """The followed services whose subsets have been known once."""
        self._scope = scope
        self._followed: set[str] = set()
        self._place = scope.place
        self._claims = AddressClaims()
        self._source_problems: tuple[Problem, ...] = ()
        self._service_problems: dict[str, tuple[Problem, ...]] = {}
        self._warnings = TableWarnings(self.policies, scope.registry)
        self._unlooked = True

    def apply(self, batch: Batch) -> Differences:
        """Applies a batch; returns what has to be published."""
        self._source_problems = batch.problems
        touched: set[str] = set()
        pods: dict[str, set[str]] = {}
        tables: dict[Ref, ObjectChange] = {}
        for change in batch.changes:
            if isinstance(change, Followed | Unfollowed):
                (self._followed.add if isinstance(change, Followed) else self._followed.discard)(change.key)
                touched.add(change.key)
                self.subsets.stale = True
            elif isinstance(change, Selected | Unselected):
                touched |= self.subsets.known(change)
            elif change.ref.kind == "Pod":
                self.subsets.pod(change)
                pods.setdefault(change.ref.namespace, set()).add(change.ref.name)
            elif change.ref.kind == "Node":
                touched |= self._take_node(change)
            elif change.ref.kind == "ConfigMap":
                tables[change.ref] = change  # parsing is slow: only the newest version of each
            else:
                touched |= self.store.apply(change)
                self.subsets.stale |= change.ref.kind == "Service"
                if change.ref.kind == "Service" and self._annotated(change):
                    tables[change.ref] = change
        touched |= self._inside(self.policies.apply(*tables.values()))
        touched |= {key for key in self.subsets.inside(pods) if self._has_any(key, pods)} if pods else set()
        if batch.in_sync and not self.rollouts.active:
            self.rollouts.active = True
            touched |= self.store.services.keys()
        for key in list(touched):
            touched |= self._claim(key)
        differences = self._differences(touched)
        self._unlooked |= bool(tables)
        if self._unlooked and batch.in_sync:  # before that, a service may be missing because it has not been listed
            self._warnings.look(self.services)
            self._unlooked = False
        return differences

    def review(self, counts_of: CountsOf) -> Differences:
        """Judges the tables on trial by what has come of them; returns what has to be published."""
        return self._differences(self.rollouts.review(counts_of))

    def _differences(self, touched: set[str]) -> Differences:
        touched |= self._ask(touched)
        differing = {key for key in sorted(touched) if self._derive(key)}
        left = self._ask(touched)  # what no table in force asks for any more
        differing |= {key for key in left if self._derive(key)}
        # workers take them in this order: subsets come before the tables that name them
        return {key: self.services.get(key) for key in sorted(differing, key=self.subsets.rank)}

    def problems(self) -> Iterator[Problem]:
        """All current problems."""
        yield from self._source_problems
        yield from self.policies.problems
        yield from self._refused_subsets()
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

    def _annotated(self, change: ObjectChange) -> bool:
        return self._scope.traefik_annotations and self.policies.concerned_by(change)

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

    def _ask(self, keys: Iterable[str]) -> set[str]:
        """Asks for the subsets that the tables of these services name; returns the services that they are of.

        As long as a new table waits for its pods, the subsets of the one in force are asked for beside its own.
        """
        changed = set[str]()
        for key in keys:
            in_force = self.services.get(key)
            before = self._label_sets_of(in_force) if in_force is not None else NONE
            new = self._label_sets.of(self.policies.policies_of(key), key) if key in self.store.services else NONE
            changed |= self.subsets.ask(key, before | new)
        self.subsets.settle(self._followed if self._scope.on_demand else self.store.services)
        return changed

    def _label_sets_of(self, service: Service) -> frozenset[LabelSet]:
        """Those that its tables in force ask for, one on trial among them."""
        tables = [service.policies]
        if service.trial is not None and service.trial.percentage:
            tables += [service.trial.policies, service.trial.last_good or {}]
        return NONE.union(*(self._label_sets.of(table, service.key) for table in tables))

    def _has_any(self, key: str, pods: Mapping[str, set[str]]) -> bool:
        """Whether an endpoint of the service is one of these pods, by namespace."""
        names = pods[key.partition("/")[0]]
        slices = self.store.slices_of(key)
        return any(endpoint.pod in names for each in slices for endpoint in each.object.endpoints or ())

    def _refused_subsets(self) -> Iterator[Problem]:
        for key, (service, selector) in self.subsets.refusals():
            message = (
                f"the subset {selector} of {service} has no endpoint: tables in force ask for more than "
                f"{SELECTIONS_MOST} different labels of pods; remove tables, or make services of the subsets"
            )
            written = [each for each in self.policies.written_for(key) if self._label_sets.of(each.table, key)]
            if written:
                yield self.policies.warning(written[-1], message)

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
            self.rollouts.forget(key)
            self._unlooked |= before is not None
            return before is not None
        unsubscribed = self._scope.on_demand and not self._is_open(key)
        ranges = self._scope.mesh_range, self._scope.headless_range
        slices, looping = without_own_addresses([] if unsubscribed else self.store.slices_of(key), ranges)
        policies, trial = self._in_force(key, before)
        address, owner = self._claims.owner(key) if self._scope.virtual_addresses else ("", key)
        problems = (*problems_of(stored, slices, self._place), *looping)
        if owner != key:
            message = f"{owner} has the virtual address {address} too and came first; this service gets none"
            problems += (Problem(message, stored.origin, subject_of("Service", key), ("spec", "clusterIP")),)
            address = ""
        made = service_of(stored, slices, address, policies, self._place, self.subsets.of(key))
        service = replace(made, unsubscribed=unsubscribed, trial=trial)
        unused = without_effect(service, self.policies.written_for(key), self.registry)
        problems += tuple(self.policies.warning(written, message) for written, message in unused)
        problems += self.policies.annotation_warnings(key)
        if trial is not None and trial.returned:
            message = f"the changed table was {described(trial)}; the last good one is in force until it is changed"
            problems += tuple(self.policies.warning(each, message) for each in self.policies.written_for(key)[-1:])
        if problems:
            self._service_problems[key] = problems
        self._unlooked |= before is None or _shape(service) != _shape(before)
        self.services[key] = before if service == before and before is not None else service
        return service != before

    def _in_force(self, key: str, before: Service | None) -> InForce:
        """The policies of a service; those of `before` while a new table waits for the pods of its subsets."""
        written = self.policies.policies_of(key)
        if before is not None and self.subsets.holds(self._label_sets.of(written, key)):
            return InForce(before.policies, before.trial)
        return self.rollouts.settle(key, written)

    def _is_open(self, key: str) -> bool:
        """Whether the endpoints of the service are known, and when they first were, its subsets too."""
        if key not in self._followed:
            self._opened.discard(key)
        elif not self.subsets.waits_for(key):
            self._opened.add(key)
        return key in self._opened


def _shape(service: Service) -> tuple[object, ...]:
    """What others may rely on who send requests to the service."""
    return tuple((port.key, port.protocol) for port in service.ports)
