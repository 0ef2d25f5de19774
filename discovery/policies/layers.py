"""The policies of a service: the tables of all policy maps that apply to it, merged.

From the widest to the narrowest; the later table wins, field by field at any depth:

    _default               mesh-wide
    _default.<namespace>   mesh-wide
    _default               of the namespace's own maps
    annotations            of the Service: those of Traefik Mesh
    <service>.<namespace>  mesh-wide
    <service>              of the namespace's own maps

A table for one service overrides every table for many: an operator's table for a service overrides the namespace's
default. Of two tables for the same scope the namespace's own wins, because the mesh-wide ones are its defaults.

Tables that are valid alone can be invalid when merged. Then the narrower one is refused and its last version that
merged stays in force; if that no longer merges either, so do the wider tables of that time.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.objects import Ref
from discovery.kubernetes.services import Service
from discovery.policies.key import MESH_SCOPE, namespace_scope, scopes_of
from discovery.policies.maps import Layer, PolicyMaps
from discovery.policies.table import Table, Validate, lines_in
from discovery.problem import NOWHERE, Origin, Path, Problem, bounded
from nodeproxy.policies.merge import merged
from nodeproxy.policies.table import PolicyRefused, settings_of


class Verdict(NamedTuple):
    """The result for one version of a policy map, or of the annotations of a Service: accepted as a whole, or the
    problems that prevent it.
    """

    ref: Ref
    version: tuple[str, str]
    """uid and resourceVersion, "" if there are none. A Service has no version here: every write would change it."""
    tables: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    """What is in force of it and deserves a look."""


class Written(NamedTuple):
    """One table in force, and where it is written: the policy map and its key, or the Service and its annotation, and
    the scope that this means.
    """

    ref: Ref
    key: str
    scope: str
    table: Table
    text: str = ""
    """What the table is read from, "" where it is no YAML of the map."""
    origin: Origin = NOWHERE
    """The file with the map, empty for an object of an API server."""


class Joined(NamedTuple):
    """Tables merged into one, and those that it is made of, later ones overriding earlier ones."""

    table: Table
    written: tuple[Written, ...]


NOTHING = Joined({}, ())


class _Fit(NamedTuple):
    """A version of a table that could be merged, and the result of merging it into the wider ones."""

    table: Table
    together: Joined


class PolicyLayers:
    """All policy maps and the tables merged from them, independent of the existing services."""

    def __init__(self, mesh_map: Ref, validate: Validate = settings_of) -> None:
        self._mesh_map = mesh_map
        self._maps = PolicyMaps(mesh_map, validate)
        self._validate = validate
        self._joined: dict[str, Joined] = {}
        self._fits: dict[str, dict[tuple[Ref, str], _Fit]] = {}
        self._misfits: dict[str, list[tuple[Ref, Problem]]] = {}
        self._verdicts: tuple[Verdict, ...] | None = ()

    def apply(self, *changes: ObjectChange) -> set[str]:
        """Applies changes of ConfigMaps and annotated Services; returns the scopes whose policies may have changed."""
        if not changes:
            return set()
        self._verdicts = None
        changed = {scope for change in changes for scope in self._maps.apply(change)}
        return {scope for scope in self._with_narrower(changed) if self._join(scope)}

    def concerned_by(self, change: ObjectChange) -> bool:
        """Whether a change of a Service is to be applied: it has annotations, or had."""
        found = change.object if isinstance(change, PutObject) else None
        return (isinstance(found, Service) and bool(found.metadata.annotations)) or change.ref in self._maps.services

    def annotation_warnings(self, service_key: str) -> tuple[Problem, ...]:
        """The warnings about the annotations of a service."""
        found = self._maps.services.get(Ref("Service", *service_key.split("/")))
        return found.warnings if found is not None else ()

    def policies_of(self, service_key: str) -> Table:
        """The policies of a service, merged and valid."""
        return self._at(scopes_of(service_key)).table

    def written_for(self, service_key: str) -> tuple[Written, ...]:
        """The tables that the policies of a service are merged from, later ones overriding earlier ones."""
        return self._at(scopes_of(service_key)).written

    @property
    def joined(self) -> Mapping[str, Joined]:
        """By scope: the tables of each scope that has any, merged into the wider ones."""
        return self._joined

    def warning(self, written: Written, message: str, path: Path = ()) -> Problem:
        """This message as a warning of a table in force, about what is at `path` of it."""
        tables = self._maps.tables_of(written.ref)
        if tables is not None:
            return tables.warning(written.key, message, lines_in(written.text, (path,))[0] if path else None)
        at = ("data", written.key)  # of a map that has gone, whose last good table is in force
        return Problem(bounded(message), subject=str(written.ref), path=at, severity="warning")

    def refusals_for(self, service_key: str) -> Iterator[tuple[Ref, Problem]]:
        """What is refused of the maps that would apply to a service: single tables of theirs, or whole maps."""
        scopes, namespace = scopes_of(service_key), service_key.partition("/")[0]
        for verdict in self.verdicts:
            ref, problems = verdict.ref, verdict.problems
            for problem in problems if ref in (self._mesh_map, ref._replace(namespace=namespace)) else ():
                tables = self._maps.tables_of(ref)
                if len(problem.path) == 1 or (tables and tables.scope_of(str(problem.path[-1])) in scopes):
                    yield ref, problem

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One verdict per map; the same object as long as no map changes."""
        if self._verdicts is None:
            self._verdicts = tuple(self._judged())
        return self._verdicts

    @property
    def problems(self) -> Iterator[Problem]:
        """All current problems of the maps."""
        for verdict in self.verdicts:
            yield from verdict.problems

    def without_target(self, service_keys: Iterable[str]) -> list[Problem]:
        """A warning for each table that none of these services reads."""
        read = {MESH_SCOPE, *(scope for key in service_keys for scope in scopes_of(key))}
        return [tables.useless(scope) for _, tables in self._maps for scope in tables.in_force if scope not in read]

    def _judged(self) -> Iterator[Verdict]:
        elsewhere: dict[Ref, list[Problem]] = {}
        for ref, problem in (
            *self._maps.doubles(),
            *(each for _, found in sorted(self._misfits.items()) for each in found),
        ):
            elsewhere.setdefault(ref, []).append(problem)
        for ref, tables in self._maps:
            yield Verdict(ref, tables.version, len(tables.in_force), (*tables.problems, *elsewhere.pop(ref, ())))
        for ref, annotations in self._maps.services.reported:
            problems = (*annotations.problems, *elsewhere.pop(ref, ()))
            yield Verdict(ref, annotations.version, len(annotations.in_force), problems)
        for ref, problems_of in elsewhere.items():  # annotations that are good alone
            if (found := self._maps.services.get(ref)) is not None:
                yield Verdict(ref, found.version, len(found.in_force), tuple(problems_of))

    def _with_narrower(self, changed: set[str]) -> list[str]:
        """These scopes and those inside them that have tables, the wider ones first."""
        inside = {scope for scope in self._joined if any(wide in changed for wide in _wider(scope))}
        return sorted(changed | inside, key=lambda scope: (len(_wider(scope)), scope))

    def _join(self, scope: str) -> bool:
        """Merges the tables of a scope into the wider ones again; returns whether the result changed."""
        before, fits = self._joined.pop(scope, None), self._fits.pop(scope, {})
        self._misfits.pop(scope, None)
        layers = tuple(self._maps.layers(scope))
        if not layers:
            return before is not None
        policies = self._at(_wider(scope))
        for layer in layers:
            fit = self._fit(scope, policies, layer, fits.get((layer.ref, layer.key)))
            if fit is not None:
                self._fits.setdefault(scope, {})[layer.ref, layer.key] = fit
                policies = fit.together
        self._joined[scope] = policies
        return before is None or policies.table != before.table

    def _fit(self, scope: str, wider: Joined, layer: Layer, last: _Fit | None) -> _Fit | None:
        """The layer's table merged into the wider ones, else the last good one, else None."""
        key, text = layer.key, layer.owner.text_of(scope)
        try:
            return self._together(wider, Written(layer.ref, key, scope, layer.table, text, layer.owner.origin))
        except PolicyRefused as refused:
            messages = tuple(f"with the wider tables: {problem}" for problem in refused.problems)
            problems = layer.owner.refusals(key, messages, lines_in(text, refused.places))
            self._misfits.setdefault(scope, []).extend((layer.ref, problem) for problem in problems)
        if last is None or last.table == layer.table:
            return last
        try:
            return self._together(wider, last.together.written[-1])
        except PolicyRefused:
            return last

    def _together(self, wider: Joined, written: Written) -> _Fit:
        together = merged(wider.table, written.table)
        self._validate(together)
        return _Fit(written.table, Joined(together, (*wider.written, written)))

    def _at(self, scopes: tuple[str, ...]) -> Joined:
        """The table in force of the narrowest of these scopes (widest first) that has tables."""
        return next((self._joined[scope] for scope in reversed(scopes) if scope in self._joined), NOTHING)


def _wider(scope: str) -> tuple[str, ...]:
    """The scopes around this one, the widest first."""
    name, _, namespace = scope.partition(".")
    if not namespace:
        return ()
    return (MESH_SCOPE,) if name == MESH_SCOPE else (MESH_SCOPE, namespace_scope(namespace))
