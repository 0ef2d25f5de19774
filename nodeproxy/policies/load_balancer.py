"""`loadBalancer`: the algorithm that chooses an endpoint for each request. `balance` implements it."""

from typing import Literal

from nodeproxy.policies.block import Policy, PolicySettings


class LoadBalancerSettings(PolicySettings):
    """`simple` as in Istio: least request of two random choices, round robin, or random."""

    simple: Literal["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"] = "LEAST_REQUEST"


POLICY = Policy("loadBalancer", LoadBalancerSettings, default=True)
