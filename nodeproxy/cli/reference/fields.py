"""What a reader must know of a policy and of each of its fields, read from settings, docstrings and `Policy`."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from nodeproxy.cli.reference.schema import IS_SIZE, Schema, duration_bounds, is_duration, paragraphs, raw_schemas
from nodeproxy.policies.block import Policy

RANGES = {
    ("minimum", "maximum"): "{} to {}",
    ("minLength", "maxLength"): "{} to {} characters",
    ("minItems", "maxItems"): "{} to {} items",
    ("minProperties", "maxProperties"): "{} to {} keys",
}
BOUNDS = {
    "exclusiveMinimum": "more than {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "less than {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
    "pattern": "matches `{}`",
}
SIMPLE = {"integer": "integer", "number": "number", "string": "string", "boolean": "true or false", "null": "null"}
_SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<=\.)\s+(?=[A-Z`])")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a policy. `path` begins with the policy's name; `parts` are the fields inside its values.

    `default` is YAML; "" where there is none: the field is required, or it is a part whose fields have their own.
    """

    path: str
    type: str
    required: bool
    default: str
    bounds: str
    meaning: tuple[str, ...]
    parts: tuple["Field", ...]
    schema: Schema

    @property
    def name(self) -> str:
        """Its last name, as written in YAML."""
        return self.path.rpartition(".")[2]

    @property
    def text(self) -> str:
        """Meaning and bounds in one paragraph."""
        bounds = f"{self.bounds[0].upper()}{self.bounds[1:]}." if self.bounds else ""
        return " ".join(filter(None, [*self.meaning, bounds]))

    def everything(self) -> Iterator["Field"]:
        """The field, then the fields inside it, depth first."""
        yield self
        for part in self.parts:
            yield from part.everything()


@dataclass(frozen=True, slots=True)
class Described:
    """A policy as its page shows it. `place` is its number in the order of policies, from 1."""

    name: str
    place: int
    summary: str
    meaning: tuple[str, ...]
    acts: str
    in_force: bool
    fields: tuple[Field, ...]
    outcomes: Mapping[str, str]
    figures: Mapping[str, str]

    def everything(self) -> Iterator[Field]:
        """All fields, depth first."""
        for field in self.fields:
            yield from field.everything()


def described(policies: Sequence[Policy]) -> tuple[Described, ...]:
    """The policies in their order, which is that of `policies`."""
    names, definitions = raw_schemas(policies)
    return tuple(
        _described(policy, place, _Reader(definitions).fields(policy.name, names[policy.name]))
        for place, policy in enumerate(policies, 1)
    )


def _described(policy: Policy, place: int, fields: tuple[Field, ...]) -> Described:
    meaning = tuple(paragraphs(policy.settings.__doc__))
    told = paragraphs(sys.modules[policy.settings.__module__].__doc__)
    summary = told[0].removeprefix(f"`{policy.name}`: ") if told else next(iter(meaning), "")
    summary = _SENTENCE_END.split(summary)[0]
    return Described(
        name=policy.name,
        place=place,
        summary=f"{summary[:1].upper()}{summary[1:]}",
        meaning=meaning,
        acts=_acts(policy),
        in_force=policy.default,
        fields=fields,
        outcomes=policy.outcomes,
        figures=policy.figures,
    )


def _acts(policy: Policy) -> str:
    """Where a policy takes part, in a few words."""
    if policy.wrap is not None:
        return "around the request"
    sides = ("request" if policy.on_request else "", "response" if policy.on_response else "")
    return f"on the {' and the '.join(filter(None, sides))}" if any(sides) else policy.acts


class _Reader:
    """Reads schemas that refer to `definitions`. A definition inside itself is not read a second time."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions
        self._inside: list[str] = []

    def fields(self, path: str, schema: Schema) -> tuple[Field, ...]:
        """The fields of the objects that are values of this schema, or in its lists and maps."""
        if reference := schema.get("$ref"):
            name = reference.rpartition("/")[2]
            if name in self._inside:
                return ()
            self._inside.append(name)
            try:
                return self.fields(path, self._definitions[name])
            finally:
                self._inside.pop()
        if "properties" in schema:
            required = schema.get("required", ())
            found = [
                self._field(f"{path}.{name}", each, name in required) for name, each in schema["properties"].items()
            ]
            return tuple(sorted(found, key=lambda field: field.name == "mode" and path.count(".") == 0))
        inner = [*_choices(schema), *_items(schema)]
        by_name = {field.name: field for each in reversed(inner) for field in self.fields(path, each)}
        return tuple(by_name.values())

    def _field(self, path: str, schema: Schema, required: bool) -> Field:
        return Field(
            path=path,
            type=self._type(schema),
            required=required,
            default=_yaml(schema["default"]) if "default" in schema else "",
            bounds=_bounds(schema),
            meaning=self._meaning(schema),
            parts=self.fields(path, schema),
            schema=schema,
        )

    def _meaning(self, schema: Schema) -> tuple[str, ...]:
        """The field's own text, or that of the object it is or contains."""
        text = schema.get("description") or self._resolved(schema).get("description")
        if text:
            return tuple(paragraphs(text))
        return next(filter(None, map(self._meaning, [*_choices(schema), *_items(schema)])), ())

    def _resolved(self, schema: Schema) -> Schema:
        while reference := schema.get("$ref"):
            schema = self._definitions[reference.rpartition("/")[2]]
        return schema

    def _type(self, schema: Schema) -> str:
        schema = self._resolved(schema)
        if is_duration(schema):
            return "duration"
        if IS_SIZE in schema:
            return "size"
        if "enum" in schema or "const" in schema:
            return " or ".join(_yaml(value) for value in schema.get("enum", [schema.get("const")]))
        if choices := [each for each in _choices(schema) if each.get("type") != "null"]:
            return " or ".join(dict.fromkeys(self._type(each) for each in choices))
        if schema.get("type") == "array":
            kinds = [
                "words" if "enum" in each else self._type(each) for each in map(self._resolved, _items(schema)[:1])
            ]
            return f"list of {kinds[0]}" if kinds else "list"
        if "properties" in schema:
            return "object"
        if isinstance(values := schema.get("additionalProperties"), Mapping):
            return f"map to {self._type(values)}"
        return SIMPLE.get(str(schema.get("type")), "object")


def _choices(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]


def _items(schema: Schema) -> list[Schema]:
    """The schemas of what is in a list or in a map."""
    inside = [schema.get("items"), *schema.get("prefixItems", ()), schema.get("additionalProperties")]
    return [each for each in inside if isinstance(each, Mapping)]


def _bounds(schema: Schema) -> str:
    own = duration_bounds(schema) if is_duration(schema) else _other_bounds(schema)
    own += [bound for each in _choices(schema) if (bound := _bounds(each))]
    for each in _items(schema):
        own += [f"each one of {', '.join(map(_yaml, each['enum']))}"] if "enum" in each else []
    inside = [f"each {bound}" for each in _items(schema) if (bound := _bounds(each))]
    return ", ".join([*own, *inside])


def _other_bounds(schema: Schema) -> list[str]:
    both = [pair for pair in RANGES if schema.keys() >= {*pair}]
    single = [name for name in BOUNDS if name in schema and not any(name in pair for pair in both)]
    found = [RANGES[pair].format(*(_yaml(schema[name]) for name in pair)) for pair in both]
    return found + [BOUNDS[name].format(_yaml(schema[name])) for name in single]


def _yaml(value: Any) -> str:  # noqa: ANN401  JSON
    if value is None:
        return "none"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value and not re.search(r"[\s\[\]{}#:,'\"]", value):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True).removesuffix("...\n").strip()
    )
