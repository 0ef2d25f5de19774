"""Which policies a service gets: the tables of all policy maps that are for it, joined.

From the widest to the narrowest; what comes later wins, field by field, however deep the field lies:

    _default               mesh-wide
    _default.<namespace>   mesh-wide
    _default               of the namespace's own maps
    <service>.<namespace>  mesh-wide
    <service>              of the namespace's own maps

What is said of one service beats what is said of many, whoever says it: an operator's table for a service holds against
the namespace's default. Of two tables for the same, the namespace's own wins: it knows its services, and the mesh-wide
ones are what it starts from.

Tables that are valid each on its own may not be so together. Then the narrower one is refused: its last version that
fitted stays; where that does not fit any more either, so do the wider tables as they were when it did.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from discovery.kubernetes.changes import ObjectChange
from discovery.kubernetes.objects import Ref
from discovery.policies.key import MESH_SCOPE, namespace_scope, scopes_of
from discovery.policies.maps import Layer, PolicyMaps
from discovery.policies.table import Table, Validate, merged
from discovery.problem import Problem
from nodeproxy.policies.table import PolicyRefused, settings_of


class Verdict(NamedTuple):
    """What became of one version of a policy map: accepted as a whole, or not, and then why."""

    ref: Ref
    version: tuple[str, str]
    """uid and resourceVersion, "" where there are none."""
    tables: int
    problems: tuple[Problem, ...]


class _Fit(NamedTuple):
    """A version of a table that fitted, and what it made together with the wider ones."""

    table: Table
    together: Table


class PolicyLayers:
    """All policy maps, and what follows from them. No answer depends on which services there are."""

    def __init__(self, mesh_map: Ref, validate: Validate = settings_of) -> None:
        self._maps = PolicyMaps(mesh_map, validate)
        self._validate = validate
        self._joined: dict[str, Table] = {}
        self._fits: dict[str, dict[Ref, _Fit]] = {}
        self._misfits: dict[str, list[tuple[Ref, Problem]]] = {}
        self._verdicts: tuple[Verdict, ...] | None = ()

    def apply(self, *changes: ObjectChange) -> set[str]:
        """Take changes of ConfigMaps, as one; gives the scopes whose services may have other policies now."""
        if not changes:
            return set()
        self._verdicts = None
        changed = {scope for change in changes for scope in self._maps.apply(change)}
        return {scope for scope in self._with_narrower(changed) if self._join(scope)}

    def policies_of(self, service_key: str) -> Table:
        """The policies of a service, merged and valid."""
        return self._at(scopes_of(service_key))

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each map there is; the same object as long as no map changes."""
        if self._verdicts is None:
            self._verdicts = tuple(self._judged())
        return self._verdicts

    @property
    def problems(self) -> Iterator[Problem]:
        """All that is wrong with the maps now."""
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
            yield Verdict(ref, tables.version, len(tables.in_force), (*tables.problems, *elsewhere.get(ref, ())))

    def _with_narrower(self, changed: set[str]) -> list[str]:
        """These scopes, and those inside them that have tables; the wider ones first."""
        inside = {scope for scope in self._joined if any(wide in changed for wide in _wider(scope))}
        return sorted(changed | inside, key=lambda scope: (len(_wider(scope)), scope))

    def _join(self, scope: str) -> bool:
        """Put the tables for a scope over the wider ones anew; whether what is in force there has changed."""
        before, fits = self._joined.pop(scope, None), self._fits.pop(scope, {})
        self._misfits.pop(scope, None)
        layers = tuple(self._maps.layers(scope))
        if not layers:
            return before is not None
        policies = self._at(_wider(scope))
        for layer in layers:
            fit = self._fit(scope, policies, layer, fits.get(layer.ref))
            if fit is not None:
                self._fits.setdefault(scope, {})[layer.ref] = fit
                policies = fit.together
        self._joined[scope] = policies
        return policies != before

    def _fit(self, scope: str, wider: Table, layer: Layer, last: _Fit | None) -> _Fit | None:
        """How the layer's table joins the wider ones, or what stays instead; None when nothing does."""
        try:
            return self._together(wider, layer.table)
        except PolicyRefused as refused:
            messages = tuple(f"with the wider tables: {problem}" for problem in refused.problems)
            problems = layer.owner.refusals(layer.owner.keys[scope], messages)
            self._misfits.setdefault(scope, []).extend((layer.ref, problem) for problem in problems)
        if last is None or last.table == layer.table:
            return last
        try:
            return self._together(wider, last.table)
        except PolicyRefused:
            return last

    def _together(self, wider: Table, table: Table) -> _Fit:
        together = merged(wider, table)
        self._validate(together)
        return _Fit(table, together)

    def _at(self, scopes: tuple[str, ...]) -> Table:
        """What is in force in the narrowest of these scopes, given from the widest on, that has tables."""
        return next((self._joined[scope] for scope in reversed(scopes) if scope in self._joined), {})


def _wider(scope: str) -> tuple[str, ...]:
    """The scopes around this one, the widest first."""
    name, _, namespace = scope.partition(".")
    if not namespace:
        return ()
    return (MESH_SCOPE,) if name == MESH_SCOPE else (MESH_SCOPE, namespace_scope(namespace))
