"""`fault`: a share of the requests is delayed or answered with an error, to see how callers bear it."""

from math import ceil
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nodeproxy.balance.share import Share
from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.policies.fault_injection import Abort, Delay, Delayed, Faults, FaultState
from nodeproxy.policies.percentage import Percentage
from nodeproxy.policies.route_match import Match
from nodeproxy.protocol.grpc import NAMES
from nodeproxy.routing.router import Router

GrpcStatus = Literal[
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
]  # fmt: skip


class FaultDelay(Block):
    """Requests that wait before they go on."""

    fixed_delay_s: Annotated[Duration, Field(gt=0, le=3600)]
    """How long each waits."""
    percentage: Percentage = 0.0
    """Of the requests, exact over time on each worker. Missing, it is 0, as in Istio."""


class FaultAbort(Block):
    """Requests that are answered with an error and sent to no endpoint."""

    http_status: Annotated[int, Field(ge=400, le=599)] | None = None
    """The status of the response; this or `grpcStatus`. A gRPC client gets the gRPC status of the same meaning."""
    grpc_status: GrpcStatus | None = None
    """The gRPC status; this or `httpStatus`. A client that speaks no gRPC gets the HTTP status of the same meaning."""
    percentage: Percentage = 0.0
    """Of the requests, exact over time on each worker. Missing, it is 0, as in Istio."""

    @model_validator(mode="after")
    def _one(self) -> "FaultAbort":
        if (self.http_status is None) == (self.grpc_status is None):
            raise ValueError("exactly one of httpStatus and grpcStatus is set")
        return self


class FaultSettings(PolicySettings):
    """Faults are what callers see of a service: `timeouts`, `retries`, `fallback` and all other policies are inside.

    A request that is aborted is not retried and takes nothing from a limit; a delay counts for no limit of `timeouts`,
    which begin after it. The deadline of a gRPC call goes on, and a client that leaves ends its wait. `delay` and
    `abort` choose their requests independently of each other, as in Envoy: one that both choose waits first.
    """

    delay: FaultDelay | None = None
    """Requests that wait."""
    abort: FaultAbort | None = None
    """Requests that fail."""
    match: Match | None = None
    """Which requests may be chosen: percentages are of those. Unset, all."""
    max_active: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Requests that may be delayed at once, from this node, divided among its workers; further ones go on at once.
    Envoy's `max_active_faults`."""

    @model_validator(mode="after")
    def _does_something(self) -> "FaultSettings":
        if not any(each is not None and each.percentage for each in (self.delay, self.abort)):
            raise ValueError("no request is chosen; write a percentage above 0 under delay or abort")
        return self


def state(settings: FaultSettings, before: FaultState | None, tools: Tools) -> FaultState:
    """The shares, from their beginning. Delayed requests are counted on."""
    delay, abort = settings.delay, settings.abort
    return FaultState(
        None if settings.match is None else Router([[settings.match]]),
        None if delay is None else Delay(Share(delay.percentage), delay.fixed_delay_s),
        None if abort is None else _abort(abort),
        ceil(settings.max_active / tools.workers),
        Delayed() if before is None else before.delayed,
    )


def _abort(abort: FaultAbort) -> Abort:
    grpc_status = None if abort.grpc_status is None else NAMES.index(abort.grpc_status)
    return Abort(Share(abort.percentage), abort.http_status, grpc_status)


def wrap(_settings: FaultSettings, inner: Handler, tools: Tools, state: FaultState) -> Handler:
    """`inner` with faults before it."""
    return Faults(state, inner, tools)


def numbers(state: FaultState) -> dict[str, float]:
    """See FIGURES."""
    return {"delayed": float(state.delayed.count)}


POLICY: Policy = Policy(
    "fault",
    FaultSettings,
    wrap,
    state=state,
    outcomes={
        "delayed": "waited for `delay.fixedDelay`",
        "aborted": "answered with the status of `abort`, reason `fault-injected`",
        "not-delayed": "went on at once: `maxActive` requests were waiting",
    },
    numbers=numbers,
    figures={"delayed": "requests that wait"},
)
