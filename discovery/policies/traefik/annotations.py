"""What each annotation of Traefik Mesh means as a policy table. Pure.

Prefixes `mesh.traefik.io/` and, where that one is missing, `maesh.containo.us/`. docs/traefik-mesh.md has the meanings
for users. Source: Traefik Mesh, docs/content/configuration.md.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from discovery.kubernetes.services import TRAEFIK_PREFIXES, Service
from discovery.policies.traefik.breaker import Reading, breaker_of
from discovery.problem import shown
from nodeproxy.mesh.spelling import spelled_alike
from nodeproxy.policies.table import PolicyRefused

TRAFFIC_TYPE, SCHEME, RETRIES = "traffic-type", "scheme", "retry-attempts"
BREAKER, AVERAGE, BURST = "circuit-breaker-expression", "ratelimit-average", "ratelimit-burst"
KNOWN = (TRAFFIC_TYPE, SCHEME, RETRIES, BREAKER, AVERAGE, BURST)
TRAFFIC_TYPES, SCHEMES = ("http", "tcp", "udp"), ("http", "h2c", "https")
RETRIES_MOST = 10  # as `retries.attempts`

_NOTHING = Reading({})
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


class Written(NamedTuple):
    """The annotations of a Service by their names without prefix, and the rest of it that matters."""

    values: Mapping[str, str]
    names: Mapping[str, str]
    """The whole names."""
    tcp: tuple[int, ...]
    """The numbers of its TCP ports."""
    udp: tuple[int, ...]

    def traffic_type(self) -> str:
        """The valid traffic type, "" if there is none."""
        found = self.values.get(TRAFFIC_TYPE, "")
        return found if found in TRAFFIC_TYPES else ""


def written(service: Service) -> Written:
    """The annotations of `service`; one with the current prefix wins."""
    values: dict[str, str] = {}
    names: dict[str, str] = {}
    for prefix in reversed(TRAEFIK_PREFIXES):
        for name, value in (service.metadata.annotations or {}).items():
            if name.startswith(prefix):
                values[name.removeprefix(prefix)], names[name.removeprefix(prefix)] = value, name
    ports = service.spec.ports or ()
    tcp = tuple(port.port for port in ports if port.protocol in (None, "TCP"))
    return Written(values, names, tcp, tuple(port.port for port in ports if port.protocol == "UDP"))


def readings(found: Written) -> Iterator[tuple[str, Callable[[], Reading]]]:
    """The whole name of each annotation, and what reads it; later ones override earlier ones.

    What reads it raises PolicyRefused for a bad value.
    """
    for name, read in _READERS.items():
        if name in found.values and not (name == BURST and AVERAGE in found.values):  # those are one limit
            yield found.names[name], partial(read, found)
    for name in sorted(found.values.keys() - set(KNOWN)):
        yield found.names[name], partial(_unknown, name)


def _traffic_type(found: Written) -> Reading:
    asked = _one_of(found.values[TRAFFIC_TYPE], TRAFFIC_TYPES)
    if asked == "udp":
        tcp = f"its TCP ports ({_listed(found.tcp)}) are served all the same" if found.tcp else ""
        none = "" if found.udp else "it has no port with protocol: UDP, which alone makes a port of UDP"
        return Reading({}, tuple(filter(None, (none, tcp))))
    if asked == "http" and found.values.get(SCHEME) == "https":
        return _NOTHING  # its endpoints speak TLS: see `_scheme`
    udp = (f"its UDP ports ({_listed(found.udp)}) are served all the same",) if found.udp else ()
    return Reading(_all_ports(found, asked), udp)


def _scheme(found: Written) -> Reading:
    asked = _one_of(found.values[SCHEME], SCHEMES)
    if found.traffic_type() in ("tcp", "udp"):
        return _not_http(found)
    if asked == "https":
        names = " and ".join(f"protocol: {{ports: {{{number}: tls}}}}" for number in found.tcp[:1])
        message = (
            "nodeproxy does not begin TLS to endpoints, it passes on that of clients: call the service by https://"
        )
        return Reading({}, (f"{message}, and write {names or 'protocol'} in its policy table unless its port says so",))
    return Reading(_all_ports(found, "http2" if asked == "h2c" else "http"))


def _retries(found: Written) -> Reading:
    tries = _positive(found.values[RETRIES])
    if found.traffic_type() in ("tcp", "udp"):
        return _not_http(found)
    attempts = min(tries - 1, RETRIES_MOST)
    warnings = (f"{tries} tries are more than nodeproxy makes: {RETRIES_MOST + 1}",) if tries - 1 > attempts else ()
    difference = "retries waits between tries (backoff), and is bounded by retryBudget" if attempts else ""
    return Reading({"retries": {"attempts": attempts, "retryOn": ["connect-failure"]}}, warnings, difference)


def _breaker(found: Written) -> Reading:
    reading = breaker_of(found.values[BREAKER])
    return _not_http(found) if found.traffic_type() in ("tcp", "udp") else reading


def _rate(found: Written) -> Reading:
    """Both annotations of the limit, which hold only together."""
    numbers = {}
    for name in (AVERAGE, BURST):
        if name in found.values:
            try:
                numbers[name] = _positive(found.values[name])
            except PolicyRefused as refused:
                raise PolicyRefused(tuple(f"{name}: {problem}" for problem in refused.problems)) from refused
    if found.traffic_type() in ("tcp", "udp"):
        return _not_http(found)
    for name in (AVERAGE, BURST):
        if name not in numbers:
            return Reading({}, (f"no limit is in force, as in Traefik Mesh: add {name}",))
    difference = (
        "rateLimit counts by calling workload and node, not by client address and proxy, and refuses at once instead "
        "of after up to 500ms"
    )
    rate = {"requestsPerSecond": numbers[AVERAGE], "burst": numbers[BURST]}
    return Reading({"rateLimit": {"perCaller": rate}}, (), difference)


_READERS: Mapping[str, Callable[[Written], Reading]] = {
    TRAFFIC_TYPE: _traffic_type,
    SCHEME: _scheme,
    RETRIES: _retries,
    BREAKER: _breaker,
    AVERAGE: _rate,
    BURST: _rate,
}


def _unknown(name: str) -> Reading:
    near = spelled_alike(name, KNOWN, 1)
    meant = f"did you mean {near[0]}?" if near else f"Traefik Mesh has {', '.join(KNOWN)}"
    return Reading({}, (f"is no annotation of Traefik Mesh and has no effect; {meant}",))


def _not_http(found: Written) -> Reading:
    return Reading({}, (f"has no effect with {TRAFFIC_TYPE} {found.traffic_type()}, as in Traefik Mesh; remove it",))


def _all_ports(found: Written, protocol: str) -> dict[str, object]:
    return {"protocol": {"ports": {str(number): protocol for number in found.tcp}}} if found.tcp else {}


def _one_of(value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise PolicyRefused((f"expected {', '.join(words[:-1])} or {words[-1]}, got {shown(value)}",))
    return value


def _positive(value: str) -> int:
    if _INTEGER.fullmatch(value) is None or int(value) < 1:
        raise PolicyRefused((f"expected a whole number of at least 1 in quotes, got {shown(value)}",))
    return int(value)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", …" if len(numbers) > 5 else "")
