"""The policy tables in the annotations of Services: which are in force, and what is wrong with the others.

A bad annotation leaves its last good table in force and affects no other. Only annotated Services are stored.
"""

from collections.abc import Iterator, Mapping, Sequence

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.objects import Ref
from discovery.kubernetes.services import Service
from discovery.policies.table import PROBLEMS_PER_TABLE, Table, Validate
from discovery.policies.traefik.annotations import Written, readings, written
from discovery.policies.traefik.breaker import Reading
from discovery.problem import NOWHERE, Origin, Problem, Severity, bounded
from nodeproxy.policies.table import PolicyRefused

REPORTED_MOST = 64  # Services with an event and a metric of every node
DIFFERENCES = "docs/traefik-mesh.md"


class Annotations:
    """The tables of one Service, by the whole name of the annotation."""

    def __init__(self, ref: Ref, validate: Validate) -> None:
        self.scope = f"{ref.name}.{ref.namespace}"
        self.in_force: dict[str, Table] = {}
        self.problems: tuple[Problem, ...] = ()
        self.warnings: tuple[Problem, ...] = ()
        self.version: tuple[str, str] = ("", "")
        """uid, and "": see `layers.Verdict`."""
        self.failed = False
        """Whether a part has ever been refused, so that its verdict is reported."""
        self._ref = ref
        self._validate = validate
        self.origin = NOWHERE
        self._found: Written | None = None

    def apply(self, service: Service, origin: Origin) -> bool:
        """Applies the current Service; returns whether the tables changed."""
        found, before = written(service), dict(self.in_force)
        self.version = (service.metadata.uid or "", "")
        if (found, origin) == (self._found, self.origin):
            return False
        self._found, self.origin = found, origin
        tables: dict[str, Table] = {}
        problems: list[Problem] = []
        good: dict[str, Reading] = {}
        for name, read in readings(found):
            try:
                good[name] = reading = read()
                if reading.table:
                    self._validate(reading.table)
                    tables[name] = reading.table
            except PolicyRefused as refused:
                problems += self.refusals(name, refused.problems)
                if name in before:
                    tables[name] = before[name]
        self.in_force, self.problems = tables, tuple(problems)
        self.warnings = tuple(self._warnings(good))
        self.failed = self.failed or bool(problems)
        return list(before.items()) != list(tables.items())

    def text_of(self, _scope: str) -> str:
        """Annotations have no YAML text."""
        return ""

    def refusals(self, key: str, messages: tuple[str, ...], _lines: Sequence[int | None] = ()) -> list[Problem]:
        """These messages as problems of an annotation."""
        return [self._problem(key, message, "error") for message in messages[:PROBLEMS_PER_TABLE]]

    def warning(self, key: str, message: str, _line: int | None = None) -> Problem:
        """This message as a warning of an annotation, or of all if `key` is ""."""
        return self._problem(key, message, "warning")

    def scope_of(self, _key: str) -> str:
        """The scope of the Service."""
        return self.scope

    def _warnings(self, good: Mapping[str, Reading]) -> Iterator[Problem]:
        for name, reading in good.items():
            yield from (self.warning(name, message) for message in reading.warnings)
        differences = [reading.difference for reading in good.values() if reading.difference]
        if differences:
            text = (
                f"the annotations of Traefik Mesh are in force, and differ: {'; '.join(differences)}. See {DIFFERENCES}"
            )
            yield self.warning("", f"{text}; a policy table for {self.scope} overrides them")

    def _problem(self, key: str, message: str, severity: Severity) -> Problem:
        path = ("metadata", "annotations", *((key,) if key else ()))
        return Problem(bounded(message), self.origin, str(self._ref), path, severity=severity)


class AnnotatedServices:
    """The annotated Services by reference."""

    def __init__(self, validate: Validate) -> None:
        self._validate = validate
        self._by_ref: dict[Ref, Annotations] = {}

    def __contains__(self, ref: Ref) -> bool:
        return ref in self._by_ref

    def get(self, ref: Ref) -> Annotations | None:
        """The annotations of a Service, None where there are none."""
        return self._by_ref.get(ref)

    def apply(self, change: ObjectChange) -> set[str]:
        """Applies a change of a Service; returns its scope if its tables changed."""
        found = change.object if isinstance(change, PutObject) else None
        if not isinstance(found, Service) or not found.metadata.annotations or not isinstance(change, PutObject):
            before = self._by_ref.pop(change.ref, None)
            return {before.scope} if before is not None and before.in_force else set()
        annotations = self._by_ref.get(change.ref)
        if annotations is None:
            annotations = self._by_ref[change.ref] = Annotations(change.ref, self._validate)
        return {annotations.scope} if annotations.apply(found, change.origin) else set()

    @property
    def reported(self) -> list[tuple[Ref, Annotations]]:
        """Those whose verdict is reported: a part of them is refused, or was."""
        failed = ((ref, each) for ref, each in self._by_ref.items() if each.failed)
        return sorted(failed, key=lambda each: (not each[1].problems, each[0]))[:REPORTED_MOST]
