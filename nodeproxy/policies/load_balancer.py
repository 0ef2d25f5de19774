"""`loadBalancer`: how an endpoint is chosen for each request. The choosing itself is `mesh.balance`."""

from typing import Literal

from nodeproxy.policies.block import Block, Policy


class LoadBalancerSettings(Block):
    """`simple` as in Istio: two random choices by load, in turn, or by chance."""

    simple: Literal["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM"] = "LEAST_REQUEST"


POLICY = Policy("loadBalancer", LoadBalancerSettings, default=True)
