"""`retryBudget`: how much load the retries and hedges of a service port may add to its endpoints."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.policies.budget import Budget, Load


class RetryBudgetSettings(PolicySettings):
    """Bounds retries and hedges together, so that a failing service is not overrun by them. In force by default.

    A retry beyond the budget is not made: the failure goes to the client. A hedge beyond it is not made either.
    """

    percent: Annotated[float, Field(ge=0, le=100, strict=False)] = 20.0
    """Retries and hedges in percent of the requests: 20 means that endpoints have at most 1.2 times the load of the
    clients. Precedent: Linkerd's, Envoy's, Istio's and Gateway API's 20."""
    min_retry_concurrency: Annotated[int, Field(ge=0, le=1_000_000)] = 3
    """So many are always allowed, however few requests there are: hedges under way at a time, and retries per second
    of `budgetInterval` (at a time where that is 0). The workers of a node divide them among themselves, and each has at
    least 1. Precedent: Envoy's and Istio's 3, at a time, where a storm of retries that fail at once has no bound."""
    budget_interval_s: Annotated[Duration, Field(le=3600)] = 10.0
    """`percent` is counted over what has begun within this time. Precedent: Linkerd's and Gateway API's 10s. 0 counts
    what is under way at a time instead, as Istio and Envoy do by default: retries in percent of the requests that are
    in their first attempt. That is less than it seems where attempts are short: waits before retries count."""


def budget(settings: RetryBudgetSettings, before: Budget | None, tools: Tools) -> Budget:
    """The budget; what is under way stays taken, whatever the change of settings."""
    load = Load() if before is None else before.load
    least = settings.min_retry_concurrency
    share = max(least // tools.workers, min(least, 1))
    return Budget(settings.percent / 100, share, settings.budget_interval_s, load, tools)


def numbers(state: Budget) -> Mapping[str, float]:
    """See `figures`. None while nothing is under way: every service port has this policy."""
    extra = state.load.extra
    return {"extra_attempts": extra, "extra_attempts_limit": state.most()} if extra else {}


POLICY: Policy = Policy(
    "retryBudget",
    RetryBudgetSettings,
    default=True,
    state=budget,
    outcomes={"over-budget": "a retry or a hedge was not made: the budget was used up"},
    numbers=numbers,
    figures={
        "extra_attempts": "retries and hedges under way; no series while there are none",
        "extra_attempts_limit": "how many the budget allows meanwhile, at a time or per `budgetInterval`",
    },
)
