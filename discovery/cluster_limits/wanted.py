"""The limits of the cluster that services ask for, by service port."""

from collections.abc import Iterator
from dataclasses import dataclass

from nodeproxy.mesh.model import Service
from nodeproxy.policies.rate_limit import RateLimitSettings
from nodeproxy.policies.table import settings_of


@dataclass(frozen=True, slots=True)
class ClusterLimit:
    """One limit: of `port`, named `<namespace>/<service>:<port>`, kept by `server`, a URL."""

    port: str
    server: str
    rate: float
    """Requests per second."""
    burst: float


def limits_of(service: Service) -> Iterator[ClusterLimit]:
    """The limits of the cluster on the ports of `service`, whose policies are valid."""
    if "rateLimit" not in service.policies:
        return
    settings = settings_of({"rateLimit": service.policies["rateLimit"]})["rateLimit"]
    assert isinstance(settings, RateLimitSettings)
    asked = settings.global_
    if asked is None:
        return
    for port in service.ports:
        if port.served:
            name = f"{service.key}:{port.key}"
            yield ClusterLimit(name, asked.server, asked.requests_per_second, float(asked.burst))
