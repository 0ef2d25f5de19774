"""The objects in one file. Decides which objects of a partly invalid file are in force; nothing across files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from discovery.kubernetes.admission import accepted
from discovery.kubernetes.config_maps import POLICY_LABEL
from discovery.kubernetes.decoding import KINDS, KnownObject, Refused, ref_of
from discovery.kubernetes.documents import Document, NotDocuments, json_document, lines_of, literals_of, yaml_documents
from discovery.kubernetes.objects import Ref
from discovery.problem import Origin, Path, Problem, printable, shown

PROBLEMS_PER_FILE = 100  # further ones are not read


class Found(NamedTuple):
    """An object and its origin."""

    object: KnownObject
    origin: Origin


@dataclass(frozen=True, slots=True)
class FileText:
    """The objects of one file, including the last good versions of those that are invalid now.

    `whole` is false until the file has been read without an error.
    """

    objects: Mapping[Ref, Found] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    whole: bool = False

    def unreadable(self, problem: Problem) -> "FileText":
        """The same objects, with the reason why they are not newer."""
        return replace(self, problems=(problem,))


def read_text(name: str, text: bytes, before: FileText, policy_map: Ref) -> FileText:
    """The objects of the file `name` with these bytes; `before` is its previous state.

    If the bytes cannot be parsed, nothing changes. A refused object leaves its last good version in force. While a
    document's object cannot be identified, no object of the file is removed.
    """
    shown_name = printable(name)
    if not text.strip():
        message = "is empty; its last good objects stay in force, delete the file to remove them"
        return before.unreadable(Problem(message, Origin(shown_name), severity="warning"))
    try:
        documents = json_document(text) if name.endswith(".json") else yaml_documents(text)
    except NotDocuments as error:
        origin = Origin(shown_name, error.document)
        return before.unreadable(
            Problem(f"{error}; the last good objects of the file stay in force", origin, line=error.line or None)
        )
    reading = _Reading(shown_name, before, policy_map)
    for document in documents:
        reading.take(document)
    return reading.result(text if not name.endswith(".json") else b"")


class _Reading:
    """Reads the documents of one file in order."""

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
        if ref is None and kind == "Pod":
            return  # generateName, for one: no endpoint can name it
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
                Problem(f"is also in document {other}, which is in force; remove one", origin, str(ref))
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
        """The result for the file; `yaml` is its text if line numbers can be found in it, else empty."""
        problems = self._problems[:PROBLEMS_PER_FILE]
        if yaml and problems:
            problems = with_lines(yaml, problems)
        objects = self._objects if self._all_named else {**self._before.objects, **self._objects}
        return FileText(objects, tuple(problems), whole=True)


def _objects_in(value: Any) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401  a document
    """The object in a document, or the items of a list, each with its path.

    The objects of a typed list (`kind: ServiceList`) need not repeat the list's kind and version.
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
    """Whether the object is of another API group with the same kind: Knative has Services too."""
    group = str(value.get("apiVersion", "")).rpartition("/")[0]
    return group not in ("", KINDS[value["kind"]][0].rpartition("/")[0])


def _labelled(config_map: Mapping[str, Any]) -> bool:
    """Whether a ConfigMap is labelled as a policy map; an unquoted true counts, and is refused later."""
    metadata = config_map["metadata"]
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return isinstance(labels, Mapping) and labels.get(POLICY_LABEL) in ("true", True)


def with_lines(yaml: bytes, problems: Sequence[Problem]) -> list[Problem]:
    """The same problems, each with the line of the deepest part of its path that is in the file."""
    places = {
        (each.origin.document, each.full_path[:end]) for each in problems for end in range(len(each.full_path) + 1)
    }
    lines, texts = lines_of(yaml, places), literals_of(yaml, places)
    return [replace(each, line=_in_text(each, texts) or _line(each, lines)) for each in problems]


def _in_text(problem: Problem, texts: Mapping[tuple[int, Path], int]) -> int | None:
    """The line of a problem inside a text, None where it is not inside one that is written line for line."""
    first = texts.get((problem.origin.document, problem.full_path))
    return first + problem.text_line - 1 if first is not None and problem.text_line is not None else None


def _line(problem: Problem, lines: Mapping[tuple[int, Path], int]) -> int | None:
    path = problem.full_path
    ends = range(len(path), -1, -1)
    return next((lines[place] for end in ends if (place := (problem.origin.document, path[:end])) in lines), None)
