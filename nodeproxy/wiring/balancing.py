"""From the settings of a service port's policies to the plan by which its endpoints are balanced."""

from collections.abc import Callable, Mapping
from typing import Any

from nodeproxy.balance.choice import Choose, InTurn, LeastRequest, by_chance
from nodeproxy.balance.hash_key import HashKey, of_client, of_cookie, of_cookie_or_new, of_header, of_query
from nodeproxy.balance.hashing import CookieSetter, Hashing
from nodeproxy.balance.judge import Judge
from nodeproxy.balance.latency import LatencyMeter, least_latency
from nodeproxy.balance.plan import Plan
from nodeproxy.balance.weighted import Shares, WarmupRules, Weighted, least_loaded
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.load_balancer import ConsistentHash, LoadBalancerSettings, Warmup
from nodeproxy.policies.outlier_detection import OutlierDetectionSettings

USUAL = LoadBalancerSettings()
PLAIN = Plan(LeastRequest)
SIMPLE: Mapping[str, Callable[[], Choose[Any]]] = {
    "LEAST_REQUEST": LeastRequest,
    "PEAK_EWMA": lambda: least_latency,
    "RANDOM": lambda: by_chance,
    "ROUND_ROBIN": InTurn,
}
WEIGHTED: Mapping[str, Callable[[], Choose[Any]]] = {**SIMPLE, "LEAST_REQUEST": lambda: least_loaded}


def plan_of(settings: Mapping[str, PolicySettings], states: Mapping[str, Any], now: Callable[[], float]) -> Plan:
    """The plan of a service port whose policies have these settings and states; `now` is monotonic seconds."""
    written, outlier = settings["loadBalancer"], settings.get("outlierDetection")
    assert isinstance(written, LoadBalancerSettings)
    balancer = written if written.mode == "enforce" else USUAL
    judges: list[Judge] = [states[name] for name in ("outlierDetection", "loadBalancer") if name in states]
    panic = balancer.panic_threshold
    if isinstance(outlier, OutlierDetectionSettings) and outlier.mode == "enforce":
        panic = max(panic, outlier.min_health_percent)
    if balancer.consistent_hash is not None:
        hashed = balancer.consistent_hash
        return Plan(lambda: by_chance, panic, _hashing(hashed), (*judges, *_cookie_setter(hashed)))
    simple = _simple(balancer, settings.get("hedging"))
    if simple == "PEAK_EWMA":
        judges.append(LatencyMeter(now))
    elif balancer == USUAL and not judges and not panic:
        return PLAIN
    return Plan(_chooser(balancer, simple, now), panic, judges=tuple(judges))


def _simple(balancer: LoadBalancerSettings, hedging: PolicySettings | None) -> str:
    """What is written, else LEAST_REQUEST; beside hedges PEAK_EWMA.

    A hedge that wins ends the first attempt, so that a slow endpoint never has many active requests: counting them, it
    would be chosen as often as the others, and all that a hedge can do is to add its delay to the latency.
    """
    if "simple" in balancer.model_fields_set or hedging is None or hedging.mode != "enforce":
        return balancer.simple
    return "PEAK_EWMA"


def _chooser(balancer: LoadBalancerSettings, name: str, now: Callable[[], float]) -> Callable[[], Choose[Any]]:
    shedding = balancer.shedding
    if balancer.warmup is None and shedding is None:
        return SIMPLE[name]
    simple = WEIGHTED[name]
    shares = Shares(_warmup(balancer.warmup), None if shedding is None else shedding.decay_s)
    return lambda: Weighted(simple(), shares, now)


def _warmup(warmup: Warmup | None) -> WarmupRules | None:
    if warmup is None:
        return None
    return WarmupRules(warmup.duration_s, max(warmup.minimum_percent, 1) / 100, warmup.aggression)


def _hashing(hashed: ConsistentHash) -> Hashing:
    ring = hashed.algorithm == "ring"
    size = hashed.minimum_ring_size if ring else hashed.table_size
    return Hashing(_key(hashed), ring, size, (hashed.balance_factor or 0) / 100)


def _key(hashed: ConsistentHash) -> HashKey:
    cookie = hashed.http_cookie
    if cookie is not None:
        return of_cookie(cookie.name) if cookie.ttl_s is None else of_cookie_or_new(cookie.name)
    if hashed.http_header_name is not None:
        return of_header(hashed.http_header_name)
    if hashed.http_query_parameter_name is not None:
        return of_query(hashed.http_query_parameter_name)
    return of_client


def _cookie_setter(hashed: ConsistentHash) -> tuple[Judge, ...]:
    cookie = hashed.http_cookie
    if cookie is None or cookie.ttl_s is None:
        return ()
    return (CookieSetter(of_cookie(cookie.name), cookie.name, cookie.path, cookie.ttl_s),)
