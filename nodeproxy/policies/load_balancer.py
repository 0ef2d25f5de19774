"""`loadBalancer`: the algorithm that chooses an endpoint for each request. `balance` implements it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nodeproxy.balance.refusals import Shedding, SheddingRules
from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings

TOKEN = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"  # RFC 9110, 5.6.2: names of fields and of cookies
Percent = Annotated[int, Field(ge=0, le=100)]
Positive = Annotated[Duration, Field(gt=0)]


class HttpCookie(Block):
    """The cookie whose value is hashed."""

    name: Annotated[str, Field(pattern=TOKEN, max_length=128)]
    """The cookie's name."""

    path: Annotated[str, Field(pattern=r"^/[\x21-\x3a\x3c-\x7e]*$", max_length=1024)] = "/"
    """The path of the cookie that is set."""

    ttl_s: Annotated[Duration, Field(ge=0)] | None = None
    """Lifetime of the cookie that the response to a request without it sets; `0s` sets a session cookie. By default no
    cookie is set, and a request without it goes to a random endpoint, as in Envoy."""


class ConsistentHash(Block):
    """Requests with the same value of exactly one of the first four fields go to the same endpoint.

    All workers of all nodes choose the same one. While an endpoint is not usable, only its own keys move to others. It
    overrides `simple` and the Service's `sessionAffinity`; `warmup` and `shedding` do not apply, because a key has one
    endpoint.
    """

    http_header_name: Annotated[str, Field(pattern=TOKEN, max_length=128)] | None = None
    """Hashes this header field. A request without it goes to a random endpoint."""

    http_cookie: HttpCookie | None = None
    """Hashes this cookie."""

    use_source_ip: bool = False
    """Hashes the client's address."""

    http_query_parameter_name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Hashes this query parameter. A request without it goes to a random endpoint."""

    algorithm: Literal["maglev", "ring"] = "maglev"
    """`maglev`: a table of `tableSize` slots, in which only the slots of an endpoint that comes or goes move; `ring`: a
    ring of points, as Envoy's ring hash, which is smaller and less even."""

    table_size: Annotated[int, Field(ge=1009, le=5_000_011)] = 65_537
    """Slots of the table, of two bytes each, for every service port and worker; a prime number is even. Istio's and
    Envoy's default; endpoints have even shares within 1 % for 5, 4 % for 100 of them."""

    minimum_ring_size: Annotated[int, Field(ge=1, le=65_536)] = 1024
    """Points of the ring, divided among the endpoints. Istio's and Envoy's default."""

    balance_factor: Annotated[int, Field(ge=100, le=10_000)] | None = None
    """Largest number of active requests of an endpoint, in percent of the mean; a request beyond it goes to the next
    endpoint of its key. Unbounded by default. Envoy's `hash_balance_factor`, usually 150."""

    @model_validator(mode="after")
    def _one_key(self) -> "ConsistentHash":
        keys = (self.http_header_name, self.http_cookie, self.use_source_ip, self.http_query_parameter_name)
        if sum(bool(key) for key in keys) != 1:
            names = "httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName"
            raise ValueError(f"exactly one of {names} is needed")
        return self


class Warmup(Block):
    """An endpoint that joins the service gets its share of requests gradually.

    Its share is max(`minimumPercent`, (time / `duration`) ^ (1 / `aggression`)) of the others'. Time counts from when a
    worker first sees it; an endpoint whose health recovers does not start again. Source: Istio's `warmup`, Envoy's
    `slow_start_config`.
    """

    duration_s: Positive
    """Time until an endpoint has its whole share."""

    minimum_percent: Percent = 10
    """The share at the beginning; 0 counts as 1."""

    aggression: Annotated[float, Field(ge=0.01, le=100, strict=False)] = 1.0
    """1: the share grows evenly; above 1: faster at the beginning."""


class SheddingSettings(Block):
    """An endpoint that answers 429, or an error with Retry-After, gets less at once and recovers gradually.

    Each such response halves its share, one with Retry-After reduces it to 1 % for that time. Off by default: where a
    429 is about one client and not about load, such as a quota per user, shedding would move load for no reason.
    Precedent: Linkerd's load biaser.
    """

    max_retry_after_s: Duration = 300.0
    """The longest Retry-After that is honoured. Linkerd's default."""

    decay_s: Positive = 5.0
    """Time until 63 % of the missing share are back, and 95 % after three times as long. Linkerd's penalty."""


class Locality(Block):
    """How far requests go, in the place of the Service's own `trafficDistribution`."""

    preference: Literal["SameNode", "SameZone", "Any"]
    """`SameNode`: this node's endpoints, then this zone's, then all; `SameZone`: this zone's, then all; `Any`: all
    alike. A farther tier is used only when the nearer one has no usable endpoint."""


class LoadBalancerSettings(PolicySettings):
    """Which endpoint of a service a request goes to.

    In shadow mode the service is balanced as by default, and only `shedding` is evaluated and counted.
    """

    simple: Literal["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PEAK_EWMA"] = "LEAST_REQUEST"
    """As in Istio: the less loaded of two endpoints, one in turn and one random, round robin, or random. `PEAK_EWMA` as
    in Linkerd: of two random endpoints the one with the lower product of expected latency and active requests. It
    avoids slow endpoints, not those that fail fast: combine it with `outlierDetection`. Where `hedging` is in force and
    this is not written, it is PEAK_EWMA: a hedge that wins ends the first attempt, so a slow endpoint seems to have
    little to do."""

    consistent_hash: ConsistentHash | None = None
    """Requests with the same key go to the same endpoint. Off by default."""

    warmup: Warmup | None = None
    """New endpoints start slowly. Off by default."""

    shedding: SheddingSettings | None = None
    """Endpoints that refuse load get less. Off by default."""

    panic_threshold: Percent = 0
    """Percentage of usable endpoints below which health is ignored and all endpoints get requests. 0: only if none is
    usable. Istio's default; Envoy's is 50, with which half of the requests may go to endpoints known to be down."""

    locality: Locality | None = None
    """Overrides the Service's `trafficDistribution`."""


def state(settings: LoadBalancerSettings, _before: Shedding | None, tools: Tools) -> Shedding | None:
    """What notes refusals of load; None where that is not asked for. What it has noted is with the endpoints."""
    shedding = settings.shedding
    if shedding is None:
        return None
    return Shedding(SheddingRules(shedding.max_retry_after_s, shedding.decay_s), tools.now, tools.decisions)


def numbers(shedding: Shedding) -> Mapping[str, float]:
    """The figures of a service port that sheds."""
    return {"shedding": float(shedding.reduced())}


OUTCOMES: Mapping[str, str] = {"shed": "an endpoint refused load, and gets less of it (`shedding`)"}

POLICY: Policy = Policy(
    "loadBalancer",
    LoadBalancerSettings,
    connections=True,
    touches=("datagrams",),
    default=True,
    state=state,
    outcomes=OUTCOMES,
    numbers=numbers,
    figures={"shedding": "endpoints that get less because they refused load (`shedding`)"},
)
