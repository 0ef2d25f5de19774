"""One module per policy. `CHAIN` is their order, outermost first: each sees what those behind it answer, or raise."""

from nodeproxy.policies import connection_pool, health_check, load_balancer, rate_limit, retries, split, timeouts

CHAIN = (
    rate_limit.POLICY,
    timeouts.POLICY,
    retries.POLICY,
    split.POLICY,
    load_balancer.POLICY,
    connection_pool.POLICY,
    health_check.POLICY,
)
