"""Policies of one table that contradict each other: each is valid, and together something of them cannot happen. Pure.

A warning, not a refusal: what is in force is what is written. Policies in shadow mode change nothing and contradict
nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import NamedTuple, TypeVar

from nodeproxy.mesh.duration import duration_text
from nodeproxy.policies.adaptive_concurrency import AdaptiveConcurrencySettings
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.circuit_breaker import CircuitBreakerSettings
from nodeproxy.policies.connection_pool import ConnectionPoolSettings
from nodeproxy.policies.fairness import FairnessSettings
from nodeproxy.policies.fallback import FallbackSettings
from nodeproxy.policies.hedging import HedgingSettings
from nodeproxy.policies.load_balancer import LoadBalancerSettings
from nodeproxy.policies.retries import RetriesSettings, retried_statuses
from nodeproxy.policies.retry_budget import RetryBudgetSettings
from nodeproxy.policies.table_faults import Fault, Path
from nodeproxy.policies.timeouts import TimeoutsSettings

Kind = TypeVar("Kind", bound=PolicySettings)
NO_TIMEOUTS = TimeoutsSettings.model_validate({"responseHead": 0})


class Contradiction(NamedTuple):
    """What has no effect, at which of the `places` of the table, and the cure."""

    places: tuple[Path, ...]
    """The first is what the message is about; the others are what it contradicts."""
    message: str

    @property
    def fault(self) -> Fault:
        """The message at its place."""
        return Fault(self.places[0], self.message)


class InForce:
    """The policies of one table that are enforced."""

    def __init__(self, settings: Mapping[str, PolicySettings]) -> None:
        self._settings = settings

    def get(self, name: str, kind: type[Kind]) -> Kind | None:
        """The settings of a policy, None where it is not enforced."""
        found = self._settings.get(name)
        return found if isinstance(found, kind) and found.mode == "enforce" else None

    @property
    def head_limit(self) -> tuple[float, Path]:
        """The shortest limit on the head of a response, infinite where there is none, and its place."""
        limits = self.get("timeouts", TimeoutsSettings) or NO_TIMEOUTS
        request, head = limits.request_s or inf, limits.response_head_s or inf
        return (request, ("timeouts", "request")) if request <= head else (head, ("timeouts", "responseHead"))


def contradictions(settings: Mapping[str, PolicySettings]) -> Iterator[Contradiction]:
    """Whatever of these settings cannot happen because of the others."""
    found = InForce(settings)
    for rule in RULES:
        yield from rule(found)


def _limits_of_a_try(found: InForce) -> Iterator[Contradiction]:
    """Limits that are not shorter than the limit on the whole."""
    limit_s, place = found.head_limit
    retries, limits = found.get("retries", RetriesSettings), found.get("timeouts", TimeoutsSettings)
    tries = (
        (("retries", "perTryTimeout"), retries.per_try_timeout_s if retries is not None else 0.0),
        (("timeouts", "backendRequest"), limits.backend_request_s if limits is not None else 0.0),
    )
    for own, own_s in tries:
        if own_s >= limit_s and own != place:
            yield Contradiction(
                (own, place),
                f"{duration_text(own_s)} never passes: {_of(place)} ends the request after {duration_text(limit_s)}; "
                f"make it shorter than that, or {_of(place)} longer",
            )


def _conditions(found: InForce) -> Iterator[Contradiction]:
    """Conditions of retries that never occur."""
    retries = found.get("retries", RetriesSettings)
    if retries is None or not retries.attempts:
        return
    limits, on = found.get("timeouts", TimeoutsSettings) or NO_TIMEOUTS, ("retries", "retryOn")
    if "timeout" in retries.retry_on and not (retries.per_try_timeout_s or limits.backend_request_s):
        yield Contradiction(
            (on, ("retries", "perTryTimeout")), "timeout never occurs: no try has a limit; write retries.perTryTimeout"
        )
    if "retriable-status-codes" in retries.retry_on and not retries.codes:
        yield Contradiction((on,), "retriable-status-codes means retries.codes, which is empty; write them")
    if retries.codes and "retriable-status-codes" not in retries.retry_on:
        message = "has no effect: retries.retryOn has no retriable-status-codes; add it there"
        yield Contradiction((("retries", "codes"), on), message)
    if retries.rate_limited_backoff is not None and not retried_statuses(retries):
        yield Contradiction(
            (("retries", "rateLimitedBackoff"), on),
            "has no effect: no status is retried; add 5xx, gateway-error or retriable-status-codes to retries.retryOn",
        )


def _budget(found: InForce) -> Iterator[Contradiction]:
    """A budget of nothing."""
    budget, retries = found.get("retryBudget", RetryBudgetSettings), found.get("retries", RetriesSettings)
    if budget is None or budget.percent or budget.min_retry_concurrency:
        return
    hedging = found.get("hedging", HedgingSettings)
    spends = "retries" if retries is not None and retries.attempts else "hedging" if hedging is not None else ""
    if spends:
        yield Contradiction(
            (("retryBudget", "percent"), ("retryBudget", "minRetryConcurrency"), (spends,)),
            f"0, and minRetryConcurrency 0 with it, leave {spends} nothing to send; "
            + (
                "write retries.attempts: 0 if that is meant"
                if spends == "retries"
                else "remove hedging if that is meant"
            ),
        )


def _hedges(found: InForce) -> Iterator[Contradiction]:
    """Hedges that are due when the request is over."""
    hedging, (limit_s, place) = found.get("hedging", HedgingSettings), found.head_limit
    if hedging is not None and hedging.delay_s >= limit_s:
        yield Contradiction(
            (("hedging", "delay"), place),
            f"no hedge is ever sent: {_of(place)} ends the request after {duration_text(limit_s)}; make it shorter",
        )


def _breaker(found: InForce) -> Iterator[Contradiction]:
    """Slow responses that are errors before they are slow."""
    breaker, (limit_s, place) = found.get("circuitBreaker", CircuitBreakerSettings), found.head_limit
    if breaker is not None and breaker.slower_than_s is not None and breaker.slower_than_s >= limit_s:
        yield Contradiction(
            (("circuitBreaker", "slowerThan"), place),
            f"no response is that slow: {_of(place)} ends the request after {duration_text(limit_s)}; make it shorter",
        )


def _fallback(found: InForce) -> Iterator[Contradiction]:
    """A failure that no policy makes."""
    fallback = found.get("fallback", FallbackSettings)
    if fallback is not None and "rate-limited" in fallback.on and not found.get("rateLimit", PolicySettings):
        yield Contradiction(
            (("fallback", "on"), ("rateLimit",)),
            "rate-limited never occurs: there is no rateLimit; write it, or remove it",
        )


def _at_once(found: InForce) -> Iterator[Contradiction]:
    """Bounds on requests at once that another bound is always below."""
    pool = found.get("connectionPool", ConnectionPoolSettings)
    fairness = found.get("fairness", FairnessSettings)
    adaptive = found.get("adaptiveConcurrency", AdaptiveConcurrencySettings)
    most, bound = (pool.max_requests if pool is not None else None), ("connectionPool", "maxRequests")
    if most is not None and fairness is not None and fairness.max_requests > most:
        yield Contradiction(
            (("fairness", "maxRequests"), bound),
            f"{fairness.max_requests} are never at the service at once: connectionPool.maxRequests answers 503 beyond "
            f"{most}, before a caller waits; make it smaller than that",
        )
    if most is not None and adaptive is not None and adaptive.min_concurrency > most:
        yield Contradiction(
            (("adaptiveConcurrency", "minConcurrency"), bound),
            f"{adaptive.min_concurrency} is more than connectionPool.maxRequests ({most}) lets through: the limit that "
            "is found never matters; make it smaller",
        )


def _balancing(found: InForce) -> Iterator[Contradiction]:
    """Shares of endpoints, where a key has one endpoint."""
    balancer = found.get("loadBalancer", LoadBalancerSettings)
    if balancer is None or balancer.consistent_hash is None:
        return
    for name, value in (("warmup", balancer.warmup), ("shedding", balancer.shedding)):
        if value is not None:
            yield Contradiction(
                (("loadBalancer", name), ("loadBalancer", "consistentHash")),
                "has no effect beside consistentHash: a key has one endpoint; remove one of the two",
            )


def _of(place: Path) -> str:
    return ".".join(map(str, place))


RULES: tuple[Callable[[InForce], Iterator[Contradiction]], ...] = (
    _limits_of_a_try, _conditions, _budget, _hedges, _breaker, _fallback, _at_once, _balancing,
)  # fmt: skip
