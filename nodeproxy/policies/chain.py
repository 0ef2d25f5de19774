"""The order of the policies, outermost first: each sees what those behind it answer, or raise."""

from nodeproxy.policies import (
    access_log,
    adaptive_concurrency,
    circuit_breaker,
    connection_pool,
    cors,
    fairness,
    fallback,
    fault,
    health_check,
    hedging,
    load_balancer,
    max_request_body,
    max_response_headers,
    mirrors,
    outlier_detection,
    protocol,
    proxy_protocol,
    rate_limit,
    redis,
    retries,
    retry_budget,
    rollout,
    routes,
    split,
    timeouts,
)

CHAIN = (
    protocol.POLICY,  # before all others: it decides which of them act on a port
    routes.POLICY,  # each rule has all those behind it with settings of its own
    access_log.POLICY,  # outside of all that refuse: it sees the end of what they refuse
    cors.POLICY,  # outside of all that answer or fail: pages can read refusals, preflights cost nothing
    fault.POLICY,  # what callers see: no other policy makes up for it
    fallback.POLICY,  # outside of all whose refusals it may replace
    rate_limit.POLICY,  # what is refused costs the least first
    max_request_body.POLICY,  # outside of retries, which keep a part of the body
    adaptive_concurrency.POLICY,  # outside of timeouts, whose errors are latencies too
    circuit_breaker.POLICY,  # outside of timeouts and retries: it judges what the client would get
    timeouts.POLICY,
    fairness.POLICY,  # inside of timeouts, which bound the wait
    mirrors.POLICY,  # inside of all that refuse, outside of retries: one copy of what is sent
    retry_budget.POLICY,
    retries.POLICY,
    hedging.POLICY,
    max_response_headers.POLICY,  # innermost: all others see its refusal as they see an endpoint's failure
    proxy_protocol.POLICY,
    split.POLICY,
    load_balancer.POLICY,
    outlier_detection.POLICY,
    connection_pool.POLICY,
    health_check.POLICY,
    redis.POLICY,
    rollout.POLICY,
)
"""Ours. What a process has besides is in its `registry.Registry`."""
