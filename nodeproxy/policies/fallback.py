"""`fallback`: what a client gets in place of a failure: a fixed response, or that of another service."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nodeproxy.exchange.exchange import Handler, Place, Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.policies.substitute import Conditions, Fallback, Other, Static
from nodeproxy.policies.targets import Name
from nodeproxy.protocol.fields import Fields

MediaType = Annotated[str, Field(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")]
Condition = Literal[
    "no-endpoints", "circuit-open", "overloaded", "rate-limited", "timeout", "connect-failure", "reset", "bad-response",
    "gateway-error", "5xx",
]  # fmt: skip

REASONS = {
    "no-endpoints": ("no-endpoints", "endpoints-unknown"),
    "circuit-open": ("circuit-open",),
    "overloaded": ("overloaded", "connection-pool-full", "over-share"),
    "rate-limited": ("rate-limited",),
    "timeout": ("timeout", "attempt-timeout"),
    "connect-failure": ("connect-failed", "unprocessed"),
    "reset": ("connection-lost", "stream-reset", "endpoint-left"),
    "bad-response": ("bad-response", "response-headers-too-large"),
}
"""The reasons of errors that each condition means."""
STATUSES = {"gateway-error": (502, 503, 504), "5xx": tuple(range(500, 600))}
"""The statuses of endpoints' responses that each condition means, the narrowest first."""


class FallbackResponse(Block):
    """A fixed response."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    """Its status."""
    content_type: MediaType = "text/plain; charset=utf-8"
    """The media type of `body`."""
    body: Annotated[str, Field(max_length=65536)] = ""
    """Its body, sent as UTF-8."""
    headers: Annotated[dict[str, str], Field(default_factory=dict, max_length=32)]
    """Further header fields. Those that frame a message or belong to a connection are refused."""

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        field_lines(headers)
        return headers

    @model_validator(mode="after")
    def _bodiless(self) -> "FallbackResponse":
        if self.body and self.status in (204, 205, 304):
            raise ValueError(f"a response with status {self.status} has no body")
        return self


class FallbackService(Block):
    """Another service, called in place of the one that failed, without that service's own policies."""

    name: Name
    """Its name."""
    namespace: Name | None = None
    """Its namespace; by default that of the service that failed."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port; by default the number of the port that failed."""
    timeout_s: Annotated[Duration, Field(gt=0)] = 5.0
    """How long the head of its response may take, beyond the time that the failed request has taken."""


class FallbackSettings(PolicySettings):
    """Replaces failures of a service, those of its other policies included.

    The field `x-mesh-fallback` of the response has the reason, as do the access log and the metrics of requests.
    A fallback that fails does not fall back again: the client gets the first failure. A gRPC client gets a fixed
    response as a status: that of a header `grpc-status` of it, else what gRPC makes of its HTTP status.
    """

    on: Annotated[tuple[Condition, ...], Field(min_length=1)] = (
        "no-endpoints", "circuit-open", "overloaded", "timeout", "connect-failure", "reset",
    )  # fmt: skip
    """The failures that are replaced. By default those in which no response came from an endpoint.

    `overloaded` is the answer of adaptiveConcurrency and of a full connectionPool, `rate-limited` that of rateLimit.
    `5xx` and `gateway-error` (502, 503, 504) are responses of endpoints, also gRPC statuses of the same meaning
    (UNAVAILABLE is 503) that come instead of a message.
    """
    response: FallbackResponse | None = None
    """A fixed response in place of the failure; this or `service`."""
    service: FallbackService | None = None
    """A service that is asked instead; this or `response`. The request is sent there if its body can be sent again."""

    @model_validator(mode="after")
    def _one(self) -> "FallbackSettings":
        if (self.response is None) == (self.service is None):
            raise ValueError("exactly one of response and service is set")
        return self


def field_lines(headers: dict[str, str]) -> bytes:
    """The header fields as they are sent.

    Raises:
        ValueError: a name or a value cannot be sent, or belongs to the side that sends.
    """
    fields = Fields()
    for name, value in headers.items():
        if name.lower() in ("content-type", "x-mesh-fallback"):
            raise ValueError(f"{name} is written by the fallback itself; see contentType")
        fields.add(name.encode(), value.encode())
    return fields.block()


def conditions(on: tuple[Condition, ...]) -> Conditions:
    """The failures that these conditions mean; the narrower condition of a status counts."""
    reasons = {reason: condition for condition in on for reason in REASONS.get(condition, ())}
    statuses = {
        status: condition for condition in reversed(STATUSES) if condition in on for status in STATUSES[condition]
    }
    return Conditions(reasons, statuses)


def wrap(settings: FallbackSettings, inner: Handler, tools: Tools, _state: object = None) -> Handler:
    """`inner` with its failures replaced."""
    fixed, service = settings.response, settings.service
    instead: Static | Other
    if fixed is not None:
        instead = Static(fixed.status, fixed.content_type.encode(), fixed.body.encode(), field_lines(fixed.headers))
    else:
        assert service is not None  # validated
        place = Place(service.name, service.namespace, service.port)
        instead = Other(tools.elsewhere(place), service.timeout_s)
    return Fallback(conditions(settings.on), instead, inner, tools)


POLICY: Policy = Policy(
    "fallback",
    FallbackSettings,
    wrap,
    outcomes={
        **{condition: f"a failure was replaced: {condition}" for condition in (*REASONS, *STATUSES)},
        "not-resendable": "not replaced: the request's body, or a part of it, cannot be sent again",
        "failed": "not replaced: the other service failed too",
    },
)
