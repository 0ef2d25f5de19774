"""`rateLimit`: at most so many requests per second to a service port, in all, by caller, header field, method or path.

All limits count for the whole node, whatever the number of workers; `global` counts for the whole cluster.
"""

from typing import Annotated

from pydantic import Field, model_validator

from nodeproxy.exchange.exchange import Tools
from nodeproxy.limits.buckets import Bucket, Buckets
from nodeproxy.limits.leases import Lease
from nodeproxy.limits.memory import hashed, region_of
from nodeproxy.policies.block import Block, Policy, PolicySettings
from nodeproxy.policies.limit_parts import Always, ByHeader, ByRule, Part, PerCaller
from nodeproxy.policies.limit_server import ServerUrl
from nodeproxy.policies.rate_limiter import OUTCOMES, Cluster, Limiter, admitted, informed

PerSecond = Annotated[float, Field(gt=0, le=1e6, strict=False)]
Burst = Annotated[int, Field(ge=1, le=1_000_000)]
Token = Annotated[str, Field(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$", max_length=128)]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class Rate(Block):
    """A token bucket: `burst` requests at once, `requestsPerSecond` in the long run."""

    requests_per_second: PerSecond
    """Tokens that come back per second."""
    burst: Burst = 1
    """Requests that may come at once after a pause."""


class Override(Rate):
    """A limit for the workloads of one namespace, or for one of them, in the place of `perCaller`."""

    namespace: Label
    """Of the calling pods."""
    workload: Label | None = None
    """The Deployment, StatefulSet, DaemonSet, Job or CronJob of the calling pods; by default each of the namespace."""


class HeaderRate(Rate):
    """A limit for each value of a header field. Requests without the field are not counted."""

    name: Token
    """Of the field. Clients choose its value: trust it no more than them."""
    max_values: Annotated[int, Field(ge=1, le=1024)] = 256
    """Values that have a bucket of their own at once in a worker; all further ones share one bucket."""


class RuleRate(Rate):
    """A limit for the requests with one of `methods` and below `pathPrefix`; each by default any."""

    methods: tuple[Token, ...] = ()
    """Methods, case-sensitive as in HTTP."""
    path_prefix: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=1024)] = "/"
    """Whole segments, as PathPrefix in Gateway API: `/api` is `/api` and `/api/x`, not `/apis`."""


class GlobalRate(Rate):
    """One limit for the whole cluster, kept in a server: Redis 5 or later, or Valkey.

    The control process of each node leases tokens ahead, so no request waits for the server. In all, the limit may be
    exceeded by what the nodes hold: a quarter of a second of `requestsPerSecond`, and one request per node.
    """

    server: ServerUrl
    """`redis://host:port/database`; `rediss:` for TLS. A password comes from the setting `limit_password_file`."""
    fail_open: bool = True
    """Without the server: true lets each node use its share, which is the limit divided by the nodes that the server
    counted last (a node that has never reached it uses the whole limit); false refuses all requests."""


class RateLimitSettings(PolicySettings):
    """Limits on the requests to each port of a service. A request takes a token of each that counts it, or of none."""

    requests_per_second: PerSecond | None = None
    """Short for `total.requestsPerSecond`."""
    burst: Burst | None = None
    """Short for `total.burst`, with `requestsPerSecond`; 1 by default."""
    total: Rate | None = None
    """All requests from this node."""
    per_caller: Rate | None = None
    """Requests of each calling workload alike, as Linkerd's `identity`. A workload is known by the address of its pod;
    a client that is no pod of this node counts by its address, processes of the node itself as one workload."""
    overrides: Annotated[tuple[Override, ...], Field(max_length=256)] = ()
    """Callers with limits of their own; the one with a `workload` wins."""
    by_header: HeaderRate | None = None
    """Requests by the value of a header field."""
    rules: Annotated[tuple[RuleRate, ...], Field(max_length=64)] = ()
    """Requests by method and path; all rules that match count."""
    global_: GlobalRate | None = Field(None, alias="global")
    """Requests from all nodes of the cluster."""
    headers: bool = False
    """Whether successful responses have the fields RateLimit and RateLimit-Policy too, as refusals always have."""

    @model_validator(mode="after")
    def _make_sense(self) -> "RateLimitSettings":
        if self.total is not None and self.requests_per_second is not None:
            raise ValueError("requestsPerSecond is short for total.requestsPerSecond; write one of them")
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst belongs to requestsPerSecond, which is missing")
        if not (self.whole or self.per_caller or self.overrides or self.by_header or self.rules or self.global_):
            raise ValueError(
                "there is no limit; write requestsPerSecond, total, perCaller, overrides, byHeader, rules or global"
            )
        return self

    @property
    def whole(self) -> Rate | None:
        """The limit on all requests from this node."""
        if self.requests_per_second is None:
            return self.total
        return Rate.model_construct(requests_per_second=self.requests_per_second, burst=self.burst or 1)


def limiter(settings: RateLimitSettings, before: Limiter | None, tools: Tools) -> Limiter:
    """The limits of a service port. What was taken is in the node's buckets: no change of settings is a way around."""
    port = tools.decisions.service_port
    buckets = tools.buckets or (before.buckets if before is not None else Buckets.private())
    asked = settings.global_
    cluster = None
    if asked is not None:
        share = _bucket("global", port, asked)
        cluster = Cluster(Lease(port), share, asked.requests_per_second, float(asked.burst), asked.fail_open)
    return Limiter(buckets, _parts(settings, port, buckets, tools), cluster, tools, settings.headers)


def _parts(settings: RateLimitSettings, port: str, buckets: Buckets, tools: Tools) -> tuple[Part, ...]:
    parts: list[Part] = []
    if settings.whole is not None:
        parts.append(Always(_bucket("total", port, settings.whole)))
    if settings.per_caller is not None or settings.overrides:
        own = {(each.namespace, each.workload): _plain(each) for each in settings.overrides}
        parts.append(PerCaller(port, None if settings.per_caller is None else _plain(settings.per_caller), own))
    header = settings.by_header
    if header is not None:
        parts.append(ByHeader(port, header.name.encode(), _plain(header), header.max_values, buckets, tools.now))
    for rule in settings.rules:
        bucket = _bucket("rule", port, rule, ",".join(sorted(rule.methods)), rule.path_prefix)
        parts.append(ByRule(frozenset(method.encode() for method in rule.methods), rule.path_prefix.encode(), bucket))
    return tuple(parts)


def _plain(rate: Rate) -> tuple[float, float]:
    return rate.requests_per_second, float(rate.burst)


def _bucket(name: str, port: str, rate: Rate, *key: str) -> Bucket:
    return Bucket(name, region_of(port), hashed(port, name, *key), *_plain(rate))


POLICY: Policy = Policy(
    "rateLimit",
    RateLimitSettings,
    connections=True,
    touches=("datagrams",),
    state=limiter,
    on_request=admitted,
    on_response=informed,
    outcomes=OUTCOMES,
)
