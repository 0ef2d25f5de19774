"""The sets of routes: so many rules by path prefix, of which the last one matches, for each peer."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from loadtest.peer import HOST
from loadtest.policies.hosts import host_of

RULES: Mapping[str, int] = {"routes": 1, "routes20": 20, "routes500": 500}
"""How many rules each set has."""
WITH_ROUTES = "-routes"
_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"


def prefixes(number: int) -> Iterator[str]:
    """The prefixes of so many rules, in their order: the last one is that of every request."""
    yield from (f"/api/v1/resource{rule}" for rule in range(1, number))
    yield "/small"


def rules(number: int) -> dict[str, Any]:
    """The policy table of so many rules."""
    return {"routes": {"rules": [{"match": {"path": {"prefix": prefix}}} for prefix in prefixes(number)]}}


def files(peer: str) -> dict[str, str]:
    """The templates of a peer's files that have its routes; none for a peer without."""
    if peer == f"envoy{WITH_ROUTES}":
        return {"routes.yaml": _envoy()}
    return {"routes.yaml": _traefik()} if peer == f"traefik{WITH_ROUTES}" else {}


def _envoy() -> str:
    hosts = [_virtual_host("echo", HOST, ["/"])]
    hosts += [_virtual_host(name, host_of(name), [*prefixes(number), "/"]) for name, number in RULES.items()]
    return yaml.safe_dump({"resources": [{"@type": _TYPE, "name": "mesh", "virtual_hosts": hosts}]})


def _virtual_host(name: str, host: str, paths: list[str]) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"} if path == "/" else {"path_separated_prefix": path}} for path in paths]
    return {"name": name, "domains": [host], "routes": [{**route, "route": {"cluster": "echo"}} for route in routes]}


def _traefik() -> str:
    routers = {"echo": f"Host(`{HOST}`)"}
    for name, number in RULES.items():
        routers |= {
            f"{name}-{rule}": f"Host(`{host_of(name)}`) && PathPrefix(`{prefix}`)"
            for rule, prefix in enumerate(prefixes(number), 1)
        }
    http = {
        "routers": {name: {"rule": rule, "service": "echo"} for name, rule in routers.items()},
        "services": {"echo": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:@backend_port@"}]}}},
    }
    return yaml.safe_dump({"http": http}, sort_keys=False)
