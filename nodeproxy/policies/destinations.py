"""Finds the places that settings send requests to: in `split`, `routes`, `mirrors`, `fallback`, and what comes."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from nodeproxy.policies.fallback import FallbackService
from nodeproxy.policies.table_faults import Path
from nodeproxy.policies.targets import Destination


def places(value: object, path: Path = ()) -> Iterator[tuple[Path, Destination | FallbackService]]:
    """All places in `value`, which is at `path` of a table: settings, or a tuple, list or mapping of such."""
    if isinstance(value, Destination | FallbackService):
        yield path, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from places(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))


def destinations(value: object) -> Iterator[Destination]:
    """Those of them that may name pod labels."""
    return (each for _, each in places(value) if isinstance(each, Destination))
