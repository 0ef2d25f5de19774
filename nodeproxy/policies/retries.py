"""`retries`: whether a failed try is sent again, when, and how often. `retryBudget` bounds all of them together."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.attempt_timeout import AttemptTimeout
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings
from nodeproxy.policies.budget import unlimited
from nodeproxy.policies.overruns import AttemptOverruns
from nodeproxy.policies.retry_plan import RetryPlan
from nodeproxy.policies.retrying import Retries, UnsentRetries
from nodeproxy.protocol.grpc import CANCELLED, DEADLINE_EXCEEDED, INTERNAL, RESOURCE_EXHAUSTED, UNAVAILABLE

HttpCondition = Literal["connect-failure", "reset", "timeout", "gateway-error", "5xx", "retriable-status-codes"]
GrpcCondition = Literal[
    "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable", "refused-stream"
]
CONDITIONS = (*get_args(HttpCondition), *get_args(GrpcCondition))
Method = Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")]
GRPC_STATUSES = {
    "cancelled": CANCELLED,
    "deadline-exceeded": DEADLINE_EXCEEDED,
    "internal": INTERNAL,
    "resource-exhausted": RESOURCE_EXHAUSTED,
    "unavailable": UNAVAILABLE,
}
IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


class Backoff(Block):
    """Waits between tries: a random fraction of `base`, doubled per try, at most `max`. As Envoy's."""

    base_s: Duration = 0.025
    """The longest wait before the first retry. Precedent: Envoy's and Istio's 25ms."""
    max_s: Duration = 0.25
    """The longest wait before any retry. Precedent: Envoy's ten times `base`."""

    @model_validator(mode="after")
    def _grows(self) -> "Backoff":
        if self.max_s < self.base_s:
            raise ValueError(f"max is shorter than base ({self.base_s:g} s); set both")
        return self


class RateLimitedBackoff(Block):
    """Retry-After of a response that is retried is waited for, seconds or a date, and then the usual wait.

    Where the wait exceeds `maxInterval`, or the time that the request has left, the client has the response at once.
    """

    max_interval_s: Annotated[Duration, Field(gt=0)] = 300.0
    """The longest Retry-After that is waited for. Precedent: Envoy's `rate_limited_retry_back_off.max_interval`."""


class RetriesSettings(PolicySettings):
    """A request is delivered to endpoints at most 1 + `attempts` times, however the tries fail; hedges are not counted.

    A repeat after the endpoint closed an idle connection (RFC 9112, 9.3.1) counts as well; 0 does not switch off this
    one repeat. A try that failed before the endpoint can have received the request (`connect-failure`) is sent again
    for every method; all other conditions apply only to `methods`, but for those of gRPC. A body is sent again if it
    was there with the head, or is not larger than 64 KiB. Each retry goes to an endpoint that has not failed the
    request, while there is one.
    """

    attempts: Annotated[int, Field(ge=0, le=10)] = 2
    """Tries beyond the first; 0 switches retries off. Precedent: Istio's default."""
    per_try_timeout_s: Duration = 0.0
    """The limit on each try, the first one included: see `timeouts.backendRequest`, which means the same. 0: none."""
    retry_on: tuple[HttpCondition | GrpcCondition, ...] = ("connect-failure", "reset")
    """`connect-failure`: no connection. `reset`: it ended before the response's first byte. `timeout`: `perTryTimeout`
    or `timeouts.backendRequest` has passed. `gateway-error`: 502, 503, 504. `5xx`: 500 to 599.
    `retriable-status-codes`: `codes`. `refused-stream`: an HTTP/2 endpoint has not looked at the request;
    `connect-failure` includes that. `cancelled`, `deadline-exceeded`, `internal`, `resource-exhausted`, `unavailable`:
    a gRPC call was answered with this status and no message, as Envoy's `retry_grpc_on`. They apply to calls whatever
    `methods` says: every call is a POST, and the operator who names a status says that it may be repeated."""
    codes: tuple[Annotated[int, Field(ge=400, le=599)], ...] = ()
    """The statuses of the condition `retriable-status-codes`."""
    methods: tuple[Method, ...] = IDEMPOTENT
    """Methods that may be received twice: by default those that RFC 9110, 9.2.2 calls idempotent."""
    backoff: Backoff = Backoff()
    """The waits between tries."""
    rate_limited_backoff: RateLimitedBackoff | None = None
    """Honours Retry-After; without it, the field is not looked at, as in Envoy."""


def retried_statuses(settings: RetriesSettings) -> dict[int, str]:
    """The statuses of responses that count as failed tries, with the condition of each: the narrowest one asked for."""
    statuses: dict[int, str] = {}
    if "5xx" in settings.retry_on:
        statuses |= dict.fromkeys(range(500, 600), "5xx")
    if "gateway-error" in settings.retry_on:
        statuses |= dict.fromkeys((502, 503, 504), "gateway-error")
    if "retriable-status-codes" in settings.retry_on:
        statuses |= dict.fromkeys(settings.codes, "retriable-status-codes")
    return statuses


def retried_grpc_statuses(settings: RetriesSettings) -> dict[int, str]:
    """The gRPC statuses that count as failed tries, with the condition of each."""
    return {status: condition for condition, status in GRPC_STATUSES.items() if condition in settings.retry_on}


def plan_of(settings: RetriesSettings) -> RetryPlan:
    """What the settings ask for, as plain values."""
    return RetryPlan(
        settings.attempts,
        frozenset(method.encode() for method in settings.methods),
        frozenset(settings.retry_on),
        retried_statuses(settings),
        retried_grpc_statuses(settings),
        settings.backoff.base_s,
        settings.backoff.max_s,
        settings.rate_limited_backoff.max_interval_s if settings.rate_limited_backoff else 0.0,
    )


def wrap(settings: RetriesSettings, inner: Handler, tools: Tools, _state: object = None) -> Handler:
    """`inner` with retries, or `inner` itself if `settings` switch them off."""
    if not settings.attempts:
        return inner
    if tools.decisions.shadow:
        return UnsentRetries(plan_of(settings), inner, tools)
    return Retries(plan_of(settings), inner, tools, tools.states.get("retryBudget") or unlimited(tools))


def wrap_attempt(settings: RetriesSettings, inner: Handler, tools: Tools) -> Handler:
    """`inner` with the limit on a try."""
    limit_s = settings.per_try_timeout_s
    if not limit_s:
        return inner
    if tools.decisions.shadow:
        return AttemptOverruns(limit_s, "per-try-timeout", inner, tools)
    return AttemptTimeout(limit_s, "retries.perTryTimeout", "per-try-timeout", inner, tools)


POLICY: Policy = Policy(
    "retries",
    RetriesSettings,
    wrap,
    default=True,
    wrap_attempt=wrap_attempt,
    outcomes={
        **{f"retried-{name}": f"sent again by the condition `{name}`" for name in CONDITIONS},
        "exhausted": "failed with its last try: `attempts` were used up",
        "over-budget": "not sent again: `retryBudget` was used up",
        "out-of-time": "not sent again: the request's own time was over, or shorter than Retry-After",
        "not-repeatable": "not sent again: too much of the body had gone, the response had begun, or it had been "
        "delivered as often as `attempts` permits",
        "retry-after": "not sent again: Retry-After was longer than `rateLimitedBackoff.maxInterval`",
        "per-try-timeout": "a try had no response head within `perTryTimeout`",
    },
)
