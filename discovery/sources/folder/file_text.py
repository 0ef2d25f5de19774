"""What one file of objects says. Decides what of a half-good file is in force; nothing across files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from discovery.kubernetes.admission import accepted
from discovery.kubernetes.documents import Document, NotDocuments, json_document, lines_of, yaml_documents
from discovery.kubernetes.objects import KINDS, POLICY_LABEL, KnownObject, Ref, Refused, ref_of
from discovery.problem import Origin, Path, Problem, printable, shown

PROBLEMS_PER_FILE = 100  # more are not read, and the first are cured first


class Found(NamedTuple):
    """An object and where it stands."""

    object: KnownObject
    origin: Origin


@dataclass(frozen=True, slots=True)
class FileText:
    """What one file says, and what it still stands for because what it says now is no good.

    `whole` is false as long as nobody has seen the file in a state that can be read.
    """

    objects: Mapping[Ref, Found] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    whole: bool = False

    def unreadable(self, problem: Problem) -> "FileText":
        """The same objects, and why they are not newer ones."""
        return replace(self, problems=(problem,))


def read_text(name: str, text: bytes, before: FileText, policy_map: Ref) -> FileText:
    """What the file called `name` says with these bytes, after what it said `before`.

    Bytes that cannot be read leave everything as it was. An object that cannot be in force leaves its last good
    version; while there is a document whose object nobody can name, no object of the file is given up.
    """
    shown_name = printable(name)
    if not text.strip():
        message = "is empty; what it said last stays in force, delete the file to give that up"
        return before.unreadable(Problem(message, Origin(shown_name), severity="warning"))
    try:
        documents = json_document(text) if name.endswith(".json") else yaml_documents(text)
    except NotDocuments as error:
        origin = Origin(shown_name, error.document)
        return before.unreadable(
            Problem(f"{error}; what the file said last stays in force", origin, line=error.line or None)
        )
    reading = _Reading(shown_name, before, policy_map)
    for document in documents:
        reading.take(document)
    return reading.result(text if not name.endswith(".json") else b"")


class _Reading:
    """The documents of one file, one after another."""

    def __init__(self, name: str, before: FileText, policy_map: Ref) -> None:
        self._name = name
        self._before = before
        self._policy_map = policy_map
        self._objects: dict[Ref, Found] = {}
        self._problems: list[Problem] = []
        self._all_named = True

    def take(self, document: Document) -> None:
        for within, value in _objects_in(document.value):
            origin = Origin(self._name, document.number, within)
            if not isinstance(value, Mapping):
                self._nameless(
                    Problem(f"expected an object with apiVersion, kind and metadata, got {shown(value)}", origin)
                )
                continue
            kind = value.get("kind")
            if not isinstance(kind, str) or not kind:
                self._nameless(Problem(f"expected the kind of an object, got {shown(kind)}", origin, path=("kind",)))
            elif kind in KINDS and not _another_group(value):
                self._take_known(kind, value, origin)

    def _take_known(self, kind: str, value: Mapping[str, Any], origin: Origin) -> None:
        ref = ref_of(kind, value)
        if ref is None:
            name = shown(value.get("metadata"))
            self._nameless(
                Problem(f"expected a name, and a namespace or none, got {name}", origin, kind, ("metadata",))
            )
        elif kind == "ConfigMap" and ref != self._policy_map and not _labelled(value):
            return
        elif ref in self._objects:
            other = self._objects[ref].origin.document
            self._problems.append(
                Problem(f"stands in document {other} as well, which is in force; remove one", origin, str(ref))
            )
        else:
            self._accept(ref, value, origin)

    def _accept(self, ref: Ref, value: Mapping[str, Any], origin: Origin) -> None:
        try:
            self._objects[ref] = Found(accepted(ref.kind, value), origin)
        except Refused as refused:
            if ref in self._before.objects:
                self._objects[ref] = self._before.objects[ref]
            self._problems += (Problem(fault.message, origin, str(ref), fault.path) for fault in refused.faults)

    def _nameless(self, problem: Problem) -> None:
        self._all_named = False
        self._problems.append(problem)

    def result(self, yaml: bytes) -> FileText:
        """What the file stands for; `yaml` is its text where lines can be told, else empty."""
        problems = self._problems[:PROBLEMS_PER_FILE]
        if yaml and problems:
            problems = with_lines(yaml, problems)
        objects = self._objects if self._all_named else {**self._before.objects, **self._objects}
        return FileText(objects, tuple(problems), whole=True)


def _objects_in(value: Any) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401  a document
    """The object that a document is, or those that it lists, each with its place.

    The objects of a typed list (`kind: ServiceList`) need not repeat what the list says.
    """
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or not kind.endswith("List") or kind.removesuffix("List") not in ("", *KINDS):
        yield (), value
        return
    items = value.get("items")
    if not isinstance(items, list | None):
        yield ("items",), items
        return
    implied = {"kind": kind.removesuffix("List"), "apiVersion": value.get("apiVersion")} if kind != "List" else {}
    for index, item in enumerate(items or ()):
        yield ("items", index), {**implied, **item} if isinstance(item, Mapping) else item


def _another_group(value: Mapping[str, Any]) -> bool:
    """Whether the object only shares its kind with one of ours: Knative has Services too."""
    group = str(value.get("apiVersion", "")).rpartition("/")[0]
    return group not in ("", KINDS[value["kind"]][0].rpartition("/")[0])


def _labelled(config_map: Mapping[str, Any]) -> bool:
    """Whether a ConfigMap means to be a policy map; true without quotes does, and is refused for what it is."""
    metadata = config_map["metadata"]
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return isinstance(labels, Mapping) and labels.get(POLICY_LABEL) in ("true", True)


def with_lines(yaml: bytes, problems: Sequence[Problem]) -> list[Problem]:
    """The same problems, each with the line of the deepest part of its path that stands in the file."""
    places = {
        (each.origin.document, each.full_path[:end]) for each in problems for end in range(len(each.full_path) + 1)
    }
    lines = lines_of(yaml, places)
    return [replace(each, line=_line(each, lines)) for each in problems]


def _line(problem: Problem, lines: Mapping[tuple[int, Path], int]) -> int | None:
    path = problem.full_path
    ends = range(len(path), -1, -1)
    return next((lines[place] for end in ends if (place := (problem.origin.document, path[:end])) in lines), None)
