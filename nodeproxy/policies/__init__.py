"""One module per policy. `CHAIN` is their order, outermost first; those that do not wait stand before those that do."""

from nodeproxy.policies import (
    connection_pool,
    health_check,
    hedging,
    load_balancer,
    rate_limit,
    retries,
    retry_budget,
    split,
    timeouts,
)

CHAIN = (
    rate_limit.POLICY,
    timeouts.POLICY,
    retry_budget.POLICY,
    retries.POLICY,
    hedging.POLICY,
    split.POLICY,
    load_balancer.POLICY,
    connection_pool.POLICY,
    health_check.POLICY,
)
