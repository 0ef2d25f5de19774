"""How policy tables are merged, of a mesh and a service as of a service and a rule of its routes."""

from collections.abc import Mapping
from typing import Any


def merged(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> dict[str, Any]:
    """`wide` overridden by `narrow`, at any depth; null overrides nothing."""
    result = dict(wide)
    for key, value in narrow.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            result[key] = value
    return result
