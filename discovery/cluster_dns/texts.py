"""What CoreDNS is told of the mesh, as lines of a Corefile.

A server block forwards the zone to the node's proxy. A second part stands where the cluster's own names are answered:
a pod of the namespace shop that asks for `web.mesh` asks by its search path for `web.mesh.shop.svc.cluster.local`
first, and is sent on to `web.shop.mesh`. Done by a CNAME of the plugin template, which CoreDNS follows itself: it works
in every version from 1.8 on and wherever in the block it stands. `rewrite` with a second `forward` would need CoreDNS
1.9.4, and a place before the block's other `forward`, which files imported there (`*.override`) do not have.
"""

from typing import NamedTuple

from nodeproxy.mesh.names import CLUSTER_DOMAIN, ZONE

TTL_S = 5  # as the node's own answers
_LABEL = "[a-z0-9-]+"


class Upstream(NamedTuple):
    """Where the node's proxy answers DNS: an address of every node, with a port if it is not 53."""

    address: str
    cluster_domain: str = CLUSTER_DOMAIN
    """The cluster's own, for where no Corefile tells it."""


def server_block(upstream: Upstream, ports: list[str], binds: list[str]) -> list[str]:
    """The lines of the block that serves the zone, at the ports where the cluster's names are served.

    `binds` are directives to repeat, so that it listens where the other block does.
    """
    keys = " ".join(f"{ZONE}:{port}" if port else ZONE for port in ports)
    return [
        f"{keys} {{",
        *(f"    {bind}" for bind in binds),
        "    errors",
        f"    cache {TTL_S}",
        f"    forward . {upstream.address} {{",
        "        max_fails 0",  # there is no other upstream to prefer: asking whether it is healthy is of no use
        "    }",
        "}",
    ]


def own_namespace(domain: str) -> list[str]:
    """The lines that let `<service>.mesh` mean the namespace of the pod that asks; `domain` is the cluster's.

    What the CNAME leads to decides the addresses, not the status: a service that does not exist there has none (NODATA,
    not NXDOMAIN), also while nobody answers for the zone. A headless service that is itself called `mesh` loses the
    names of its pods.
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
