"""The mesh's configuration of CoreDNS, as lines of a Corefile.

A server block forwards the zone to the node's proxy. A second part is in the block of the cluster's own names: by its
search path a pod of the namespace shop that looks up `web.mesh` first queries `web.mesh.shop.svc.cluster.local`, which
is an alias of `web.shop.mesh`. The plugin template answers with a CNAME, which CoreDNS follows itself: it works from
version 1.8 on and anywhere in the block. `rewrite` with a second `forward` would need CoreDNS 1.9.4 and a place before
the block's other `forward`, which imported files (`*.override`) do not have.
"""

from collections.abc import Container
from typing import NamedTuple

from nodeproxy.mesh.names import CLUSTER_DOMAIN, ZONE

TTL_S = 5  # as the node's own answers
_LABEL = "[a-z0-9-]+"


class Upstream(NamedTuple):
    """The address at which each node's proxy serves DNS, with a port if it is not 53."""

    address: str
    cluster_domain: str = CLUSTER_DOMAIN
    """The cluster's own domain, if no Corefile has it."""
    also_zones: tuple[str, ...] = ()
    """Further zones that the node answers for."""

    def zones(self, taken: Container[str] = ()) -> tuple[str, ...]:
        """The zones to forward, the mesh's own first; without those in `taken`, and those inside another one."""
        free = [zone for zone in self.also_zones if zone not in taken]
        return (ZONE, *(zone for zone in free if not any(zone.endswith(f".{wide}") for wide in (ZONE, *free))))


def server_block(upstream: Upstream, ports: list[str], binds: list[str], taken: Container[str] = ()) -> list[str]:
    """The lines of the block that serves the zones, at the ports where the cluster's names are served.

    `binds` are directives to repeat, so that it listens on the addresses of the other block. Zones in `taken` have a
    block of another author.
    """
    keys = " ".join(f"{zone}:{port}" if port else zone for zone in upstream.zones(taken) for port in ports)
    return [
        f"{keys} {{",
        *(f"    {bind}" for bind in binds),
        "    errors",
        f"    cache {TTL_S}",
        f"    forward . {upstream.address} {{",
        "        max_fails 0",  # there is no other upstream, so health checks have no use
        "    }",
        "}",
    ]


def own_namespace(domain: str) -> list[str]:
    """The lines that resolve `<service>.mesh` in the namespace of the querying pod; `domain` is the cluster's.

    The CNAME's target decides the addresses, not the status: a service that does not exist there has none (NODATA, not
    NXDOMAIN), also while no server answers for the zone. A headless service called `mesh` loses the names of its pods.
    """
    suffix = "".join(f"[.]{label}" for label in ("svc", *domain.split(".")))
    target = f"{{{{ .Group.service }}}}.{{{{ .Group.namespace }}}}.{ZONE}."
    return [
        f"template IN ANY svc.{domain} {{",
        f'    match "^(?P<service>{_LABEL})[.]{ZONE}[.](?P<namespace>{_LABEL}){suffix}[.]$"',
        f'    answer "{{{{ .Question.Name }}}} {TTL_S} IN CNAME {target}"',
        "    fallthrough",
        "}",
    ]
