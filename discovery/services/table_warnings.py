"""What deserves a look in tables that are in force: places that the mesh does not have, policies that contradict.

A table is looked at again when it changes; its places whenever services do.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from discovery.kubernetes.objects import Ref
from discovery.policies.key import MESH_SCOPE, scopes_of
from discovery.policies.layers import Joined, PolicyLayers, Verdict, Written
from discovery.policies.table import PROBLEMS_PER_TABLE
from discovery.problem import Path, Problem
from discovery.services.destinations import Aim, Places, aims_of
from nodeproxy.mesh.model import Service
from nodeproxy.policies.contradictions import contradictions
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.rule_checks import rule_checks
from nodeproxy.policies.table import settings_of
from nodeproxy.policies.table_faults import place_text


class _Read(NamedTuple):
    """What is known of a joined table without the services."""

    joined: Joined
    aims: tuple[Aim, ...]
    problems: tuple[tuple[Ref, Problem], ...]


class TableWarnings:
    """The warnings of all tables. `look` makes them anew; nothing else does."""

    def __init__(self, layers: PolicyLayers, registry: Registry = BUILT_IN) -> None:
        self._registry = registry
        self._lists = registry.lists
        self.found: tuple[tuple[Ref, Problem], ...] = ()
        """Each with the ConfigMap that it is about."""
        self._layers = layers
        self._read: dict[str, _Read] = {}
        self._verdicts: tuple[object, object, tuple[Verdict, ...]] = (None, None, ())

    def look(self, services: Mapping[str, Service]) -> None:
        """Looks at all tables beside these services."""
        joined, places = self._layers.joined, Places(services)
        for scope in self._read.keys() - joined.keys():
            del self._read[scope]
        found: dict[tuple[Ref, Problem], None] = {}
        for scope, table in joined.items():
            before = self._read.get(scope)
            read = before if before is not None and before.joined is table else self._of_table(table)
            self._read[scope] = read
            found |= dict.fromkeys(read.problems)
            if read.aims:
                found |= dict.fromkeys(self._of_aims(read, _inside(scope, joined, services), places))
        if tuple(found) != self.found:
            self.found = tuple(found)

    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts on all maps with their warnings; the same object as long as neither changes."""
        judged = self._layers.verdicts
        if (judged, self.found) != self._verdicts[:2]:
            by_map: dict[Ref, list[Problem]] = {}
            for ref, problem in self.found:
                by_map.setdefault(ref, []).append(problem)
            of_all = tuple(each._replace(warnings=tuple(by_map.get(each.ref, ()))) for each in judged)
            self._verdicts = (judged, self.found, of_all)
        return self._verdicts[2]

    def _of_table(self, joined: Joined) -> _Read:
        settings = settings_of(joined.table, self._registry)
        faults = [(each.places, each.message) for each in contradictions(settings)]
        routes = settings.get("routes")
        if isinstance(routes, RoutesSettings) and routes.mode == "enforce":
            faults += [((each.path,), each.message) for each in rule_checks(routes)]
        problems = (self._contradiction(joined.written, *fault) for fault in faults[:PROBLEMS_PER_TABLE])
        return _Read(joined, aims_of(settings), tuple(filter(None, problems)))

    def _of_aims(self, read: _Read, inside: Iterator[Service], mesh: Places) -> Iterator[tuple[Ref, Problem]]:
        told: dict[tuple[tuple[Path, ...], str], None] = {}
        for service in inside:
            for aim in read.aims:
                faults = mesh.wrong(aim, service)
                told |= {(((*aim.path, field), aim.path), message): None for field, message in faults}
            if len(told) >= PROBLEMS_PER_TABLE:
                break
        for places, message in list(told)[:PROBLEMS_PER_TABLE]:
            if warning := self._warning(read.joined.written, places, message):
                yield warning

    def _contradiction(
        self, written: Sequence[Written], places: Sequence[Path], message: str
    ) -> tuple[Ref, Problem] | None:
        """The message as a warning of the table that has what it is about.

        None where that is a wider table: it is for many services, some of which may have no use for all of it.
        """
        found = _narrowest_with(places, written, self._lists)
        if found is None or found.table.scope != written[-1].scope:
            return None
        about = found.own if found.place == places[0] else places[0]
        return found.table.ref, self._layers.warning(found.table, f"{place_text(about)}: {message}", found.own)

    def _warning(self, written: Sequence[Written], places: Sequence[Path], message: str) -> tuple[Ref, Problem] | None:
        """The message as a warning of the narrowest table that has the first of the places that any has."""
        found = _narrowest_with(places, written, self._lists)
        if found is None:
            return None
        return found.table.ref, self._layers.warning(found.table, f"{place_text(found.own)}: {message}", found.own)


class _Found(NamedTuple):
    """A table, one of the places asked for, and that place as the table has it."""

    table: Written
    place: Path
    own: Path


def _narrowest_with(places: Sequence[Path], written: Sequence[Written], lists: Mapping[str, str]) -> _Found | None:
    """The narrowest table that has the first of the places that any has."""
    found = ((each, place, _as_written(each, place, lists)) for place in places for each in reversed(written))
    return next((_Found(each, place, own) for each, place, own in found if own is not None), None)


def _inside(scope: str, joined: Mapping[str, Joined], services: Mapping[str, Service]) -> Iterator[Service]:
    """The services whose policies are those of this scope: the narrowest of theirs that has tables."""
    name, _, namespace = scope.partition(".")
    if name != MESH_SCOPE:
        yield from (services[key] for key in (f"{namespace}/{name}",) if key in services)
        return
    for key, service in services.items():
        if key.startswith(f"{namespace}/" if namespace else "") and scope == _narrowest(key, joined):
            yield service


def _narrowest(key: str, joined: Mapping[str, Joined]) -> str | None:
    return next((each for each in reversed(scopes_of(key)) if each in joined), None)


def _as_written(written: Written, place: Path, lists: Mapping[str, str]) -> Path | None:
    """A place as a table has it, in its short form; None if it does not. Of an item of a list, what there is of it."""
    own: list[str | int] = []
    at: object = written.table
    for depth, step in enumerate(place):
        if depth == 1 and isinstance(at, list) and step == lists.get(str(place[0])):
            continue
        at = _below(at, step)
        if at is None:
            return tuple(own) if any(isinstance(each, int) for each in own) else None
        own.append(step)
    return tuple(own)


def _below(value: object, step: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None
