"""Where each value of merged policy tables is written. Pure.

The tables are merged once more, by the function that merges them for the workers, with every value replaced by a mark
that says where it is from: what is left of the marks is by construction what is left of the values.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

from discovery.policies.layers import Written
from discovery.policies.table import lines_in
from discovery.problem import Path
from nodeproxy.policies.merge import merged
from nodeproxy.policies.registry import BUILT_IN, Registry


class Origin(NamedTuple):
    """The table that a value is from, and the line of its text, None where there is no text."""

    written: Written
    line: int | None


class Origins:
    """The origins of all values of the tables, which are in the order in which they are merged."""

    def __init__(self, written: Sequence[Written], registry: Registry = BUILT_IN) -> None:
        self.lists = registry.lists
        nothing: dict[str, Any] = {}
        self._marked = reduce(merged, (_marked(each.table, number, ()) for number, each in enumerate(written)), nothing)
        self._written = written
        self._lines = _lines(written, _marks(self._marked))

    def of(self, path: Path) -> Origin | None:
        """The origin of what is at `path` of the table in force; None for a value that no table has."""
        found = self._at(path)
        return self._origin(found) if isinstance(found, _Mark | _MarkedList) else None

    def is_mapping(self, path: Path) -> bool:
        """Whether a mapping is written at `path`, each of whose values has an origin of its own."""
        return isinstance(self._at(path), Mapping)

    def _at(self, path: Path) -> Any:  # noqa: ANN401  a value, or a mark in its place
        found: Any = self._marked
        for depth, step in enumerate(path):
            if isinstance(found, _MarkedList) and depth == 1 and step == self.lists.get(str(path[0])):
                continue  # a bare list stands for the policy's list
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _origin(self, mark: "_Mark | _MarkedList") -> Origin:
        return Origin(self._written[mark.layer], self._lines.get((mark.layer, mark.path)))


class _Mark:
    """In the place of a value: the layer, by its number, and the path where it is written."""

    __slots__ = ("layer", "path")

    def __init__(self, layer: int, path: Path) -> None:
        self.layer = layer
        self.path = path


class _MarkedList(list[Any]):
    """In the place of a list, which may stand for a mapping with one list: it has to be one."""

    def __init__(self, layer: int, path: Path) -> None:
        super().__init__()
        self.layer = layer
        self.path = path


def _marked(value: Any, layer: int, path: Path) -> Any:  # noqa: ANN401  a table's value
    if isinstance(value, Mapping):
        return {key: _marked(below, layer, (*path, key)) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return _MarkedList(layer, path)
    return None if value is None else _Mark(layer, path)


def _marks(value: Any) -> Iterator[_Mark | _MarkedList]:  # noqa: ANN401  what `_marked` returns
    if isinstance(value, Mapping):
        for below in value.values():
            yield from _marks(below)
    elif isinstance(value, _Mark | _MarkedList):
        yield value


def _lines(written: Sequence[Written], marks: Iterator[_Mark | _MarkedList]) -> dict[tuple[int, Path], int | None]:
    """The line of each mark: every text is read once, for all of its marks."""
    places: dict[int, list[Path]] = {}
    for mark in marks:
        places.setdefault(mark.layer, []).append(mark.path)
    found: dict[tuple[int, Path], int | None] = {}
    for layer, paths in places.items():
        lines = lines_in(written[layer].text, paths)
        found |= {(layer, path): line for path, line in zip(paths, lines, strict=True)}
    return found
