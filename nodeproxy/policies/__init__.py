"""One module per policy. `CHAIN` is their order, outermost first; those that do not wait stand before those that do."""

from nodeproxy.policies import (
    connection_pool,
    fairness,
    health_check,
    load_balancer,
    rate_limit,
    retries,
    split,
    timeouts,
)

CHAIN = (
    rate_limit.POLICY,
    timeouts.POLICY,
    fairness.POLICY,  # inside of timeouts, which bound the wait
    retries.POLICY,
    split.POLICY,
    load_balancer.POLICY,
    connection_pool.POLICY,
    health_check.POLICY,
)
