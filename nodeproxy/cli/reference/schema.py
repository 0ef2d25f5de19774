"""The JSON schema of policies as they are written in YAML: durations are texts with a unit, names are camelCase.

`raw` schemas keep the bounds of durations under pydantic's names (`gt`, `ge`, `lt`, `le`), for `fields`; `published`
ones have them in the description, because JSON schema bounds only numbers.
"""

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from nodeproxy.cli.reference.docstrings import field_docstrings
from nodeproxy.mesh.duration import duration_text, seconds
from nodeproxy.mesh.size import size_bytes
from nodeproxy.policies.block import Block, Policy
from nodeproxy.policies.rule_policies import ROUTES, refusal

Schema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DURATION = r"^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$"
SIZE = r"^[0-9]{1,15}(k|M|G|Ki|Mi|Gi)?$"
IS_SIZE, IS_SINGLE = "x-size", "x-single"  # marks in raw schemas: of a Bytes, of a list whose one item may stand alone
REFERENCE = re.compile(r"#/\$defs/(\w+)")
DURATION_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def is_duration(schema: Schema) -> bool:
    """Whether a value of this schema is a Duration."""
    return schema.get("pattern") == DURATION


def duration_bounds(schema: Schema) -> list[str]:
    """The bounds of a Duration in words, e.g. "at least 100ms"."""
    return [f"{words} {duration_text(schema[key])}" for key, words in DURATION_BOUNDS.items() if key in schema]


def raw_schemas(policies: Iterable[Policy]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of each policy by its name, and the definitions that they refer to."""
    policies = tuple(policies)
    by_model, whole = models_json_schema(
        [(policy.settings, "validation") for policy in policies], schema_generator=_AsWritten
    )
    return {policy.name: by_model[policy.settings, "validation"] for policy in policies}, whole.get("$defs", {})


def policy_schema(policy: Policy) -> dict[str, Any]:
    """The JSON schema of one policy's settings."""
    names, definitions = raw_schemas([policy])
    own = definitions.pop(names[policy.name]["$ref"].rpartition("/")[2])
    parts = {"$defs": published(definitions)} if definitions else {}
    return {"$schema": DIALECT, "title": policy.name, **published(own), **parts}


def field_schema(policy: Policy, path: str, schema: Schema) -> dict[str, Any]:
    """The JSON schema of the field with this path and raw `schema` of a policy."""
    definitions = raw_schemas([policy])[1]
    used: dict[str, Any] = {}
    while missing := {name for part in (schema, *used.values()) for name in REFERENCE.findall(str(part))} - used.keys():
        used |= {name: definitions[name] for name in missing}
    parts = {"$defs": published(used)} if used else {}
    return {"$schema": DIALECT, "title": path, **published(schema), **parts}


def table_schema(policies: Iterable[Policy]) -> dict[str, Any]:
    """The JSON schema of a policy table: a mapping from policies to their settings. Null overrides nothing."""
    policies = tuple(policies)
    names, definitions = raw_schemas(policies)
    if "Rule" in definitions:
        definitions["Rule"]["properties"]["policies"] |= _of_rules(policies, names, definitions)
    return {
        "$schema": DIALECT,
        "title": "policy table",
        "description": "The policies of a service, of a namespace or of the mesh: one value of a policy ConfigMap.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            policy.name: {"anyOf": [names[policy.name], {"type": "null"}, *_bare_list(policy, names, definitions)]}
            for policy in policies
        },
        "$defs": published(definitions),
    }


def _bare_list(policy: Policy, names: Schema, definitions: Schema) -> list[Any]:
    """The schema of a list that may stand in place of the settings of a policy; none for most policies."""
    if not policy.settings.of_list:
        return []
    own = definitions[names[policy.name]["$ref"].rpartition("/")[2]]
    return [published(own["properties"][policy.settings.of_list])]


def _of_rules(policies: Iterable[Policy], names: Schema, definitions: Schema) -> dict[str, Any]:
    """What may stand among the policies of a rule: fields merged over those of the service, so none is required."""
    allowed = [policy.name for policy in policies if policy.name != ROUTES and not refusal(policy)]
    fields = {name: definitions[names[name]["$ref"].rpartition("/")[2]]["properties"] for name in allowed}
    parts = {
        name: {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {each: {"description": schema.get("description", "")} for each, schema in properties.items()},
        }
        for name, properties in fields.items()
    }
    return {"additionalProperties": False, "properties": parts}


def paragraphs(docstring: str | None) -> list[str]:
    """The paragraphs of a docstring, each on one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", cleandoc(docstring or "")) if part.strip()]


def published(schema: Any) -> Any:  # noqa: ANN401  JSON
    """The schema with the bounds of durations in words, and without titles that only repeat names."""
    if isinstance(schema, list):
        return [published(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    left_out = {IS_SIZE, IS_SINGLE, *(("title",) if isinstance(schema.get("title"), str) else ())}
    result = {key: published(value) for key, value in schema.items() if key not in left_out}
    if isinstance(description := schema.get("description"), str):
        result["description"] = "\n\n".join(paragraphs(description))
    if is_duration(schema):
        words = [
            result.get("description", ""),
            *(f"{bound[0].upper()}{bound[1:]}." for bound in duration_bounds(schema)),
        ]
        if text := " ".join(filter(None, words)):
            result["description"] = text
    if is_duration(schema) or IS_SIZE in schema:
        for key in DURATION_BOUNDS:
            result.pop(key, None)
    if IS_SIZE in schema:
        result |= {"type": ["integer", "string"], "pattern": SIZE, "minimum": 0}
    return _or_alone(result) if IS_SINGLE in schema else result


def _or_alone(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list, or of one item without brackets."""
    about: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    return {**about, "anyOf": [schema, schema["items"]]}


def written(value: object, as_duration: bool = False) -> Any:  # noqa: ANN401  JSON
    """A default as an operator writes it."""
    if isinstance(value, Block):
        fields = type(value).model_fields
        return {
            field.alias or name: written(getattr(value, name), name.endswith("_s")) for name, field in fields.items()
        }
    if isinstance(value, tuple | list):
        return [written(item, as_duration) for item in value]
    if isinstance(value, Mapping):
        return {str(key): written(item, as_duration) for key, item in value.items()}
    if as_duration and isinstance(value, int | float):
        return duration_text(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _AsWritten(GenerateJsonSchema):
    """Schemas of what stands in YAML, before validation converts it."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """A Duration is a text, a Bytes may be one."""
        if schema["function"]["function"] is size_bytes:
            return {**super().function_before_schema(schema), IS_SIZE: True}
        if schema["function"]["function"] is not seconds:
            return super().function_before_schema(schema)
        # of numbers only 0 needs no unit
        return {"type": ["string", "integer"], "pattern": DURATION, "minimum": 0, "maximum": 0}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A field is described by its docstring."""
        result, model = super().model_schema(schema), schema["cls"]
        for name, text in field_docstrings(model).items():
            if (field := model.model_fields.get(name)) is not None:  # not a class variable
                result["properties"][field.alias or name]["description"] = text
        for name in model.singles if issubclass(model, Block) else ():
            result["properties"][name][IS_SINGLE] = True
        return result

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The default as an operator writes it; one of a part is left out, because the part's fields have theirs."""
        inner = self.generate_inner(schema["schema"])
        if "default" not in schema or isinstance(schema["default"], Block):
            return inner
        return {**inner, "default": written(schema["default"], _holds_duration(inner))}


def _holds_duration(schema: Schema) -> bool:
    """Whether values of this schema are Durations, or lists or maps of them."""
    inside = [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]
    return is_duration(schema) or any(isinstance(each, Mapping) and _holds_duration(each) for each in inside)
