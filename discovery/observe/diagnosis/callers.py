"""The caller that `--from` means, and what has become of its requests. Pure."""

from collections.abc import Iterable

from nodeproxy.mesh.diagnosis import CallerFacts
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.reports import PortCounters
from nodeproxy.policies.rate_limit import Rate, RateLimitSettings

CALLERS_NAMED = 5  # in a message: enough to see the spelling


class NoCaller(Exception):
    """No pod of this node, or more than one workload, has the name."""


def caller_meant(text: str, callers: Iterable[Caller]) -> Caller:
    """The caller with this address, `<namespace>/<workload>`, `<namespace>/<pod>` or either without the namespace.

    A pod's name is that of its workload and a suffix; the longest workload that fits is meant.

    Raises:
        NoCaller: there is none, or several namespaces have one.
    """
    every = [caller for caller in callers if caller.namespace]
    namespace, _, name = text.rpartition("/")
    fitting = [
        each
        for each in every
        if each.address == text or (namespace in ("", each.namespace) and f"{name}-".startswith(f"{each.workload}-"))
    ]
    longest = max((len(each.workload) for each in fitting), default=0)
    found = {(each.namespace, each.workload): each for each in fitting if len(each.workload) == longest}
    if not found:
        have = ", ".join(sorted({f"{each.namespace}/{each.workload}" for each in every})[:CALLERS_NAMED]) or "none"
        raise NoCaller(f"no pod of this node is {text!r}; its callers are {have}")
    if len(found) > 1:
        raise NoCaller(f"{text!r} is in several namespaces: {', '.join(sorted(space for space, _ in found))}")
    return next(iter(found.values()))


def caller_facts(caller: Caller, counters: PortCounters, limits: RateLimitSettings | None) -> CallerFacts:
    """What has become of the requests of `caller`, and which limit is for it."""
    requests, refused = 0, dict[str, int]()
    for kind, number in counters.requests:
        if (kind.source_namespace, kind.source_workload) == (caller.namespace, caller.workload):
            requests += number
            if kind.reason:
                refused[kind.reason] = refused.get(kind.reason, 0) + number
    return CallerFacts(caller.namespace, caller.workload, requests, refused, _limit(caller, limits))


def _limit(caller: Caller, limits: RateLimitSettings | None) -> str:
    """The override of the workload, else of its namespace, else `perCaller`: see `policies.limit_parts.PerCaller`."""
    if limits is None:
        return ""
    for workload in (caller.workload, None):
        for index, each in enumerate(limits.overrides):
            if (each.namespace, each.workload) == (caller.namespace, workload):
                return f"rateLimit.overrides[{index}], {_rate(each)}"
    if limits.per_caller is not None:
        return f"rateLimit.perCaller, {_rate(limits.per_caller)}"
    return f"rateLimit.total, {_rate(limits.whole)} for all callers" if limits.whole is not None else ""


def _rate(rate: Rate) -> str:
    return f"{rate.requests_per_second:g} requests/s, burst {rate.burst}"
