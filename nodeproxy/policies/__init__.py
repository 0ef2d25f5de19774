"""One file per policy. `CHAIN` is the order in which they stand around a service's endpoints, outermost first."""

from nodeproxy.policies import health_check, load_balancer, retries, timeouts

CHAIN = (
    timeouts.POLICY,
    retries.POLICY,
    load_balancer.POLICY,
    health_check.POLICY,
)
