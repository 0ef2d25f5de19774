"""The base of all policy settings: frozen, unknown keys refused, camelCase in YAML and snake_case here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from nodeproxy.mesh.duration import seconds

Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds, written Go-style in YAML."""


class Block(BaseModel):
    """One policy's settings, as written under its name in a policy table.

    A field `backend_request_s` of type Duration is written `backendRequest`: the YAML carries its own unit.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=lambda name: to_camel(name.removesuffix("_s")),
    )


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: its name in the policy table, its settings, and its handler.

    `wrap(settings, inner, tools)` returns the handler around `inner`, or `inner` itself when the settings switch the
    policy off. A policy that acts elsewhere (balancing, health checks) has no `wrap`. A policy with `default` true
    applies to every service, with default settings where none are written.
    """

    name: str
    settings: type[Block]
    wrap: Callable[..., Any] | None = None
    default: bool = False
