"""One module per policy. `CHAIN` is the order in which they wrap a service's upstream handler, outermost first."""

from nodeproxy.policies import health_check, load_balancer, retries, timeouts

CHAIN = (
    timeouts.POLICY,
    retries.POLICY,
    load_balancer.POLICY,
    health_check.POLICY,
)
