"""All policy maps, mesh-wide and of namespaces, and which table applies to which scope.

Of a namespace's own maps the first by name wins a key that several have, even while its table there is refused, so that
a correction elsewhere does not move it. The result does not depend on the order of arrival.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.config_maps import ConfigMap
from discovery.kubernetes.objects import Ref
from discovery.policies.key import mesh_scope, own_scope
from discovery.policies.own_maps import MAPS_PER_NAMESPACE, OwnMaps
from discovery.policies.table import Bounds, PolicyTables, Table, Validate
from discovery.policies.traefik.services import AnnotatedServices
from discovery.problem import Origin, Problem

# The largest map costs every node a tenth of a second; one of 1 MiB, as large as etcd takes it, could cost ten.
OWN_BOUNDS = Bounds(tables=500, characters=64 * 1024)


class Owner(Protocol):
    """An object that has tables: a policy map, or a Service with annotations."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is refused of it."""
        ...

    @property
    def origin(self) -> Origin:
        """The file with the object, empty for an object of an API server."""
        ...

    def text_of(self, scope: str) -> str:
        """The YAML text of its table for a scope, "" where there is none."""
        ...

    def refusals(self, key: str, messages: tuple[str, ...], lines: Sequence[int | None] = ()) -> list[Problem]:
        """These messages as problems of the table under `key`; `lines` are those of the messages within its text."""
        ...

    def warning(self, key: str, message: str, line: int | None = None) -> Problem:
        """This message as a warning of the table under `key`, about this line of its text."""
        ...

    def scope_of(self, key: str) -> str | None:
        """The scope of a key, None for an invalid one."""
        ...


class Layer(NamedTuple):
    """One table for a scope, and the object that has it."""

    ref: Ref
    owner: Owner
    key: str
    table: Table


class PolicyMaps:
    """The maps by scope. Selects the ConfigMaps that are policy maps, by name or by label."""

    def __init__(self, mesh_map: Ref, validate: Validate) -> None:
        self._mesh_map = mesh_map
        self._validate = validate
        self._mesh: dict[Ref, PolicyTables] = {}
        self._own: dict[str, OwnMaps] = {}
        self.services = AnnotatedServices(validate)

    def __iter__(self) -> Iterator[tuple[Ref, PolicyTables]]:
        """The reported maps, the mesh-wide one first, the others by namespace and name."""
        yield from self._mesh.items()
        for _, maps in sorted(self._own.items()):
            yield from ((ref, maps[ref]) for ref in maps.reported)

    def apply(self, change: ObjectChange) -> set[str]:
        """Applies a change of a ConfigMap or Service; returns the scopes whose tables may have changed."""
        if change.ref.kind == "Service":
            return self.services.apply(change)
        found = change.object if isinstance(change, PutObject) and isinstance(change.object, ConfigMap) else None
        if change.ref == self._mesh_map:
            return self._take_mesh_map(change, found)
        namespace = change.ref.namespace
        maps = self._own.setdefault(namespace, OwnMaps(self._new_tables))
        if isinstance(change, PutObject) and found is not None and found.rules_its_namespace:
            changed = maps.put(change.ref, found, change.origin)
        else:
            changed = maps.drop(change.ref)
        if not maps:
            del self._own[namespace]
        return changed

    def tables_of(self, ref: Ref) -> Owner | None:
        """The tables of a map or Service; None where there is none (any more)."""
        if ref.kind == "Service":
            return self.services.get(ref)
        if ref in self._mesh:
            return self._mesh[ref]
        own = self._own.get(ref.namespace)
        return own[ref] if own is not None and ref in own.in_force else None

    def layers(self, scope: str) -> Iterator[Layer]:
        """The tables for a scope, in the order in which they are merged."""
        name, _, namespace = scope.partition(".")
        annotations = self.services.get(Ref("Service", namespace, name))
        if annotations is not None:
            for key, table in annotations.in_force.items():
                yield Layer(Ref("Service", namespace, name), annotations, key, table)
        own = self._own.get(namespace)
        all_own = [(ref, own[ref]) for ref in own.in_force] if own else []
        for maps in (self._mesh.items(), all_own):
            ref, tables = next((each for each in maps if scope in each[1].keys), (self._mesh_map, None))
            if tables is not None and scope in tables.in_force:
                yield Layer(ref, tables, tables.keys[scope], tables.in_force[scope])

    def doubles(self) -> Iterator[tuple[Ref, Problem]]:
        """The keys and maps that do not count because of other maps, each with the reason."""
        for maps in self._own.values():
            first: dict[str, Ref] = {}
            for ref in maps.in_force:
                for scope, key in maps[ref].keys.items():
                    if first.setdefault(scope, ref) != ref:
                        message = f"is also in {first[scope]}, which sorts first and counts; remove one"
                        yield from ((ref, problem) for problem in maps[ref].refusals(key, (message,)))
            for ref in maps.reported[MAPS_PER_NAMESPACE:]:
                message = (
                    f"of a namespace's policy maps the first {MAPS_PER_NAMESPACE} by name count; move these keys there"
                )
                yield from ((ref, problem) for problem in maps[ref].refusals("", (message,)))

    def _new_tables(self, ref: Ref) -> PolicyTables:
        scope_of = partial(own_scope, namespace=ref.namespace, mesh_map=self._mesh_map)
        return PolicyTables(ref, scope_of, self._validate, OWN_BOUNDS)

    def _take_mesh_map(self, change: ObjectChange, found: ConfigMap | None) -> set[str]:
        if isinstance(change, PutObject) and found is not None:
            new = PolicyTables(change.ref, mesh_scope, self._validate)
            return self._mesh.setdefault(change.ref, new).apply(found, change.origin)
        tables = self._mesh.pop(change.ref, None)
        return tables.apply(None) if tables is not None else set()
