"""The base of all policy settings: frozen, unknown keys rejected, camelCase in YAML and snake_case here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from nodeproxy.mesh.duration import seconds
from nodeproxy.mesh.model import Port
from nodeproxy.mesh.size import size_bytes

Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds, written Go-style in YAML."""
Bytes = Annotated[int, BeforeValidator(size_bytes)]
"""Bytes, written in YAML as a number or as a Kubernetes quantity."""


class Block(BaseModel):
    """A part of a policy's settings, as written in a policy table.

    A field `backend_request_s` of type Duration is written `backendRequest`, and `limit_bytes` of type Bytes `limit`:
    the YAML carries its own unit.
    """

    singles: ClassVar[tuple[str, ...]] = ()
    """The fields that are lists, of which one item may be written without brackets, as they are written."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=lambda name: to_camel(name.removesuffix("_s").removesuffix("_bytes")),
    )


class PolicySettings(Block):
    """One policy's settings, as written under its name in a policy table."""

    of_list: ClassVar[str] = ""
    """The field that a bare list in place of the settings means; "" where there is none."""

    mode: Literal["enforce", "shadow"] = "enforce"
    """`shadow` evaluates the policy and counts what it would have done, and changes nothing."""

    @model_validator(mode="before")
    @classmethod
    def _list(cls, written: object) -> object:
        return {cls.of_list: written} if cls.of_list and isinstance(written, tuple | list) else written


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: its name in the table, its settings, and what it does to the requests of a service port.

    A policy that must remember something has `state(settings, before, tools)`: what it returns belongs to the service
    port and survives every update of the table. It is called when the policy is new, and when its settings have
    changed, then with the state `before`, which it must not change: the update may yet be rejected. It returns None for
    settings that need no state.

    A policy stands around those behind it in CHAIN, whether they wait or not.

    A policy that does not wait has `on_request(exchange, state)`, which may return a response in the endpoint's place,
    and `on_response(exchange, response, state)`. `state` is the settings where the policy has no state. A response of
    `on_request` is counted as the decision "rejected"; in shadow mode it is dropped, and `on_response` is not called,
    unless the policy `observes`: then `on_response` changes nothing in either mode.

    A policy that waits has `wrap(settings, inner, tools, state)`: it returns the handler around `inner`, or `inner`
    itself when these settings ask for nothing. In shadow mode (`tools.decisions.shadow`) that handler changes nothing.
    `wrap_attempt(settings, inner, tools)` does the same around each single attempt: it is inside of every `wrap`,
    retries and hedging among them. A policy that acts elsewhere (balancing, probes) has none of these.

    `outcomes` are its decisions and what each means, for metrics (`tools.decisions.count`) and documentation. `numbers`
    returns figures of its state for metrics, e.g. the limit in force; `figures` says what each means.

    A policy in force without being asked for has `default` true: its settings' defaults apply.

    A policy that acts on TCP connections too, whatever they carry, has `connections` true: such a connection is an
    exchange whose response is a tunnel, or a refusal. `touches` names what else a policy bears on besides requests, if
    only with some of its settings. `acts` says in words where one acts that has none of these functions.
    """

    name: str
    settings: type[PolicySettings]
    wrap: Callable[..., Any] | None = None
    default: bool = False
    connections: bool = False
    touches: tuple[Literal["connections", "datagrams"], ...] = ()
    acts: str = "on the endpoints"
    state: Callable[..., Any] | None = None
    on_request: Callable[..., Any] | None = None
    on_response: Callable[..., Any] | None = None
    wrap_attempt: Callable[..., Any] | None = None
    observes: bool = False
    outcomes: Mapping[str, str] = field(default_factory=dict)
    numbers: Callable[..., Mapping[str, float]] | None = None
    figures: Mapping[str, str] = field(default_factory=dict)

    def acts_on(self, port: Port) -> bool:
        """Whether anything that `port` serves is subject to this policy."""
        if port.transport != "tcp":
            return "datagrams" in self.touches and port.served
        return self.connections or "connections" in self.touches or port.takes_requests
