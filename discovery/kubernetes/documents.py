"""Parses YAML and JSON to documents of JSON values, within limits.

Uses libyaml's events instead of PyYAML's loader, because the loader recurses in C (100,000 opening brackets crash the
process), builds an object per node only to discard it (three times slower) and expands aliases without a limit. Values
are those of JSON: no dates, sets, bytes or infinities. Decides nothing about Kubernetes.
"""

import re
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec
import yaml
from yaml import events

from discovery.problem import Path, shown

SIZE_LIMIT_BYTES = 16 * 1024 * 1024  # 10,000 endpoints are 1.3 MB of YAML, an object in etcd at most 1.5 MB
NODES_LIMIT = 2_000_000  # ten times 10,000 endpoints; some 6 s of reading
ALIASED_NODES_LIMIT = 100_000  # nodes that aliases repeat; hand-written anchors repeat some dozens
DEPTH_LIMIT = 256  # the schema of a custom resource is some 60 deep; later code may recurse over a value
SCALAR_LIMIT = 64  # characters of a number: 64 bits in binary

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


class Document(NamedTuple):
    """One document: its position in the file, from 1, and its JSON value."""

    number: int
    value: Any


class NotDocuments(ValueError):
    """The bytes are refused YAML or JSON; `document` and `line` (0: unknown) are the place of the fault."""

    def __init__(self, message: str, document: int = 0, line: int = 0) -> None:
        super().__init__(message)
        self.document = document
        self.line = line


def json_document(data: bytes) -> list[Document]:
    """The one document of a JSON file.

    Raises:
        NotDocuments: not JSON, or nested too deeply.
    """
    try:
        return [Document(1, msgspec.json.decode(data))]
    except RecursionError as error:
        raise NotDocuments("nested too deeply", 1) from error
    except UnicodeDecodeError as error:
        raise NotDocuments("not JSON: not in UTF-8", 1) from error
    except msgspec.MsgspecError as error:
        text = str(error)
        byte = re.search(r"\(byte (\d+)\)", text)
        line = data.count(b"\n", 0, int(byte[1])) + 1 if byte else 0
        raise NotDocuments(f"not JSON: {text}", 1, line) from error


def yaml_documents(data: bytes, nodes_limit: int = NODES_LIMIT) -> list[Document]:
    """The documents of a YAML stream, empty ones left out but counted.

    Raises:
        NotDocuments: not YAML, a duplicate key, a value that JSON does not have, or beyond one of the limits above.
    """
    return _Reader(data, (), nodes_limit).documents()


def lines_of(data: bytes, places: Collection[tuple[int, Path]]) -> dict[tuple[int, Path], int]:
    """The line, from 1, of each place (document, path) of a YAML stream that `yaml_documents` has read: of its key."""
    reader = _Reader(data, places, NODES_LIMIT)
    reader.documents()
    return reader.lines


def literals_of(data: bytes, places: Collection[tuple[int, Path]]) -> dict[tuple[int, Path], int]:
    """The first line of each of these places whose value is a text in literal style, `|`."""
    reader = _Reader(data, places, NODES_LIMIT)
    reader.documents()
    return {place: line + 1 for place, line in reader.literals.items() if place in reader.lines}


class _Open:
    """A list or mapping whose end has not been parsed yet."""

    __slots__ = ("anchor", "key", "merged", "merging", "nodes", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:  # noqa: ANN401  a list or a mapping
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.merging = False
        self.merged: list[Any] = []
        self.nodes = 1

    @property
    def place(self) -> str | int:
        """The key or index of the next value."""
        return len(self.value) if isinstance(self.value, list) else self.key or ""


class _Reader:
    def __init__(self, data: bytes, places: Collection[tuple[int, Path]], nodes_limit: int) -> None:
        self.lines: dict[tuple[int, Path], int] = {}
        self.literals: dict[tuple[int, Path], int] = {}
        self._data = data
        self._nodes_limit = nodes_limit
        self._places = frozenset(places)
        self._found: list[Document] = []
        self._number = 0
        self._line = 0
        self._nodes = 0
        self._aliased = 0
        self._open: list[_Open] = []
        self._anchors: dict[str | None, tuple[Any, int]] = {}

    def documents(self) -> list[Document]:
        try:
            self._yaml = yaml.CSafeLoader(self._data)
            while (event := self._yaml.get_event()) is not None:
                self._line = event.start_mark.line + 1 if event.start_mark else 0
                self._take(event)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            raise NotDocuments(f"not YAML: {error.problem or error.context}", self._number or 1, line) from error
        except yaml.YAMLError as error:
            reason = getattr(error, "reason", None) or "cannot be read"
            raise NotDocuments(f"not YAML: {reason}", self._number or 1) from error
        return self._found

    def _take(self, event: events.Event) -> None:
        """Adds one event to the value being built."""
        self._nodes += 1
        if self._nodes > self._nodes_limit:
            raise self._refusal(f"more than {self._nodes_limit} values; split it")
        if isinstance(event, events.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, events.MappingStartEvent):
            self._start(_Open({}, event.anchor), event)
        elif isinstance(event, events.SequenceStartEvent):
            self._start(_Open([], event.anchor), event)
        elif isinstance(event, events.CollectionEndEvent):
            self._end()
        elif isinstance(event, events.AliasEvent):
            self._alias(event.anchor)
        elif isinstance(event, events.DocumentStartEvent):
            self._number += 1
            self._anchors.clear()

    def _start(self, opened: _Open, event: events.CollectionStartEvent) -> None:
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            raise self._refusal(f"the tag {event.tag} has no equivalent in JSON")
        if len(self._open) == DEPTH_LIMIT:
            raise self._refusal(f"nested more than {DEPTH_LIMIT} deep")
        if self._awaits_key():
            raise self._refusal("a key that is itself a list or mapping")
        self._note_line()
        self._open.append(opened)

    def _end(self) -> None:
        done = self._open.pop()
        for merged in done.merged:
            self._merge(done, merged)
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, done.nodes)
        self._place(done.value, done.nodes)

    def _merge(self, into: _Open, merged: Any) -> None:  # noqa: ANN401  a YAML value
        for each in merged if isinstance(merged, list) else [merged]:
            if not isinstance(each, dict):
                raise self._refusal(f"expected a mapping after <<, got {shown(each)}")
            into.value = {**each, **into.value}

    def _alias(self, anchor: str | None) -> None:
        if anchor not in self._anchors:
            raise self._refusal(f"the alias *{anchor} is inside its anchor's value, or before it")
        value, nodes = self._anchors[anchor]
        self._aliased += nodes
        if self._aliased > ALIASED_NODES_LIMIT:
            raise self._refusal(f"aliases repeat more than {ALIASED_NODES_LIMIT} values; write them out")
        if self._awaits_key():
            raise self._refusal(f"the alias *{anchor} as a key")
        self._note_line()
        self._place(value, nodes)

    def _scalar(self, event: events.ScalarEvent) -> None:
        tag = event.tag
        if tag is None or tag == "!":
            tag = str(self._yaml.resolve(yaml.ScalarNode, event.value, event.implicit))  # type: ignore[no-untyped-call]
        if self._awaits_key():
            self._key(event.value, tag)
            return
        self._note_line()
        if self._places and event.style == "|":
            self.literals[self._here()] = self._line
        value = self._value(tag, event.value)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._place(value, 1)

    def _key(self, text: str, tag: str) -> None:
        top = self._open[-1]
        if tag != _MERGE and text in top.value:
            raise self._refusal(f"the key {shown(text)} is duplicated in one mapping")
        top.merging = tag == _MERGE
        top.key = text
        self._note_line()

    def _value(self, tag: str, text: str) -> Any:  # noqa: ANN401  a JSON value
        kind = tag.removeprefix(_TAG)
        if kind in ("str", "timestamp", "value", "merge"):
            return text
        if kind == "null":
            return None
        try:
            return self._number_or_bool(kind, tag, text)
        except (ValueError, LookupError, OverflowError) as error:
            raise self._refusal(f"{shown(text)} is no {kind} that JSON has") from error

    def _number_or_bool(self, kind: str, tag: str, text: str) -> Any:  # noqa: ANN401  a JSON value
        node = yaml.ScalarNode(tag, text)
        if kind == "bool":
            return self._yaml.construct_yaml_bool(node)
        if kind == "int" and len(text) <= SCALAR_LIMIT:
            return self._yaml.construct_yaml_int(node)
        if kind == "float" and len(text) <= SCALAR_LIMIT:
            number = self._yaml.construct_yaml_float(node)
            if abs(number) < float("inf"):
                return number
        raise ValueError(kind)

    def _place(self, value: Any, nodes: int) -> None:  # noqa: ANN401  a JSON value
        """Adds a complete value to the list or mapping around it, or to the documents."""
        if not self._open:
            if value is not None:
                self._found.append(Document(self._number, value))
            return
        top = self._open[-1]
        top.nodes += nodes
        if isinstance(top.value, list):
            top.value.append(value)
            return
        if top.merging:
            top.merged.append(value)
        else:
            top.value[top.key or ""] = value
        top.key = None
        top.merging = False

    def _awaits_key(self) -> bool:
        return bool(self._open) and self._open[-1].key is None and isinstance(self._open[-1].value, dict)

    def _note_line(self) -> None:
        if not self._places:
            return
        if (place := self._here()) in self._places:
            self.lines.setdefault(place, self._line)

    def _here(self) -> tuple[int, Path]:
        """The place of the next value."""
        return self._number, tuple(opened.place for opened in self._open)

    def _refusal(self, message: str) -> NotDocuments:
        return NotDocuments(message, self._number, self._line)
