"""docs/settings.md: every setting of the process with its type, bounds, default and meaning."""

from collections.abc import Mapping
from typing import Any

from nodeproxy.cli.pages.markdown import GENERATED, table
from nodeproxy.settings import Settings

PREFIX = Settings.model_config["env_prefix"]
INTRODUCTION = f"""
# Settings

The settings of the process, which are read once when it starts. Policies are not settings: they are in tables, which
take effect without a restart ([policies](policies/README.md)).

A setting comes from a flag of `nodeproxy run` where it has one, else from the environment (`{PREFIX}` and its name in
capitals), else from the file of `--config`, which is YAML. An invalid one is reported in one sentence, with exit
status 2. In a cluster they are in the ConfigMap `nodeproxy-settings`, and a change takes effect with `kubectl -n
nodeproxy rollout restart daemonset nodeproxy`. Names that end in `_s` are seconds, in `_bytes` bytes. Lists are
separated by commas. `nodeproxy settings` prints this page offline.
"""


def settings_page() -> str:
    """The page."""
    schema = Settings.model_json_schema()["properties"]
    rows = (
        (f"`{name}`", _type(schema[name]), _default(field.default), f"{(field.description or '').rstrip('.')}.")
        for name, field in Settings.model_fields.items()
    )
    head = GENERATED.format(source="nodeproxy/settings.py")
    return f"{head}{INTRODUCTION}\n{table(('setting', 'type', 'default', 'meaning'), rows)}"


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    kind = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "array": "list"}
    bounds = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}
    words = [f"{words} {schema[key]:,g}" for key, words in bounds.items() if key in schema]
    return ", ".join([kind[schema["type"]], *words])


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", ()) else "empty"
