"""Finds the destinations in settings, wherever a policy has them: in `split`, `routes`, `mirrors` and what comes."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from nodeproxy.policies.targets import Destination


def destinations(value: object) -> Iterator[Destination]:
    """All destinations in `value`: settings, or a tuple, list or mapping of such."""
    if isinstance(value, BaseModel):
        if isinstance(value, Destination):
            yield value
        for name in type(value).model_fields:
            yield from destinations(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from destinations(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from destinations(each)
