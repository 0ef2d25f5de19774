"""What is wrong with a policy's settings, where it is written and what would be right, from pydantic's errors."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from nodeproxy.mesh.spelling import spelled_alike
from nodeproxy.policies.block import Block, PolicySettings
from nodeproxy.policies.validation_words import in_words, quoted

Path = tuple[str | int, ...]
"""The place of a value in a policy table as it is written: names of fields and indexes of lists."""

NAMED_MOST = 40  # fields that a message lists; a policy has a dozen
_FALSE_ALARMS = ("too_short", "union_tag_invalid")  # said of a list, too, of which pydantic has refused an item


class Fault(NamedTuple):
    """One fault: its place, and a message without the place."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{place_text(self.path)}: {self.message}" if self.path else self.message


def place_text(path: Path) -> str:
    """`path` on one line: `routes[0].match.path`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """That there is no such `kind`, what was probably meant, and what there is."""
    names = sorted(known)
    close = spelled_alike(name.lower(), {each.lower(): each for each in names}, 1, 0.6)
    meant = next((f"did you mean {each}? " for each in names if close and each.lower() == close[0]), "")
    listed = ", ".join(names[:NAMED_MOST]) or "none"
    return f"no such {kind}; {meant}there are {listed}"


def faults_of(place: Path, settings: type[PolicySettings], written: object, error: ValidationError) -> Iterator[Fault]:
    """The faults of the settings `written` at `place`, as a rule the name of their policy."""
    found = error.errors(include_url=False)
    places = [detail["loc"] for detail in found]
    seen: set[Path] = set()
    for detail in found:
        loc = detail["loc"]
        inside = any(other[: len(loc)] == loc and len(other) > len(loc) for other in places)
        if detail["type"] in _FALSE_ALARMS and inside:
            continue
        path = (*place, *_as_written(loc, settings, written))
        if path not in seen:  # of a union pydantic has an error for each choice
            seen.add(path)
            same = [each for each in found if (*place, *_as_written(each["loc"], settings, written)) == path]
            yield Fault(path, _message(settings, same))


def _message(settings: type[PolicySettings], details: Sequence[Any]) -> str:
    detail = details[0]
    if detail["type"] == "extra_forbidden":
        return unknown("field", str(detail["loc"][-1]), _fields_at(settings, detail["loc"][:-1]))
    if detail["type"] == "missing":
        return "has to be written, and is missing"
    got = f", got {quoted(detail['input'])}"
    if detail["type"] == "literal_error":
        choices = [word for each in details for word in _choices(each)]
        close = spelled_alike(str(detail["input"]), choices, 1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"expected one of {', '.join(choices)}{got}{meant}"
    if detail["type"] in ("model_type", "model_attributes_type"):
        return f"expected a mapping of fields: {', '.join(sorted(_fields_at(settings, detail['loc'])))}{got}"
    names = _fields_at(settings, detail["loc"][:-1])
    return in_words(detail, names.get(str(detail["loc"][-1]), "") if detail["loc"] else "") + got


def _choices(detail: Any) -> list[str]:  # noqa: ANN401  pydantic's ErrorDetails
    expected = detail.get("ctx", {}).get("expected", "")
    return re.findall(r"'([^']*)'", expected) or re.findall(r"\d+", expected)


def _as_written(loc: Sequence[str | int], settings: type[PolicySettings], written: object) -> Path:
    """The path of pydantic's `loc` in what is written: without the names of unions' choices, and without a list's name
    or index where the short form is written."""
    path: list[str | int] = []
    at, first = written, True
    for step in loc:
        short = first and step == settings.of_list and isinstance(at, list | tuple)
        first = False
        if short or (isinstance(step, int) and not isinstance(at, list | tuple)):
            continue
        if isinstance(step, int) and isinstance(at, list | tuple) and step < len(at):
            at = at[step]
        elif isinstance(at, Mapping):
            at = at.get(step)
        elif isinstance(step, str):  # the name of a choice, or [key]
            continue
        path.append(step)
    return tuple(path)


def _fields_at(settings: type[Block], loc: Sequence[str | int]) -> dict[str, str]:
    """The names of the fields of the block at pydantic's `loc`: as written, and in Python."""
    models = {settings}
    for step in loc:
        if isinstance(step, str):
            found = {model for each in models for model in _below(each, step)}
            models = found or models
    return {field.alias or name: name for model in models for name, field in model.model_fields.items()}


def _below(model: type[Block], alias: str) -> Iterator[type[Block]]:
    for name, field in model.model_fields.items():
        if alias == (field.alias or name):
            yield from _blocks_in(field.annotation)


def _blocks_in(annotation: Any) -> Iterator[type[Block]]:  # noqa: ANN401  a type as it is written
    if isinstance(annotation, type) and issubclass(annotation, Block):
        yield annotation
    for each in get_args(annotation):
        yield from _blocks_in(each)
