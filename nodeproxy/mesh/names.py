"""Mesh names: parses an authority into the service and port that it denotes.

Source: RFC 1123, 2.1 (host names); RFC 3986, 3.2.2 (case-insensitive).
"""

import re
from functools import lru_cache
from typing import NamedTuple

ZONE = "mesh"
CLUSTER_DOMAIN = "cluster.local"  # as kubeadm, k3s and the clouds have it

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


class MeshName(NamedTuple):
    """A service as a client names it."""

    namespace: str
    service: str
    port: int | None
    """As written after the colon; None when there was none."""
    pod: str = ""
    """The host name of one pod of a headless service, "" when the whole service is meant."""

    @property
    def key(self) -> str:
        """`<namespace>/<name>`, as in `mesh.model.Service.key`."""
        return f"{self.namespace}/{self.service}"


def parse(
    authority: bytes, caller_namespace: str, cluster_domain: str = CLUSTER_DOMAIN, also_zones: tuple[str, ...] = ()
) -> MeshName | None:
    """The service that `authority` denotes, None when it is not a mesh name.

    Case is ignored, a trailing dot and a port are accepted; `<service>.mesh` is in `caller_namespace`. The cluster's
    own names of a service, `<service>.<namespace>.svc` with or without the cluster domain, denote it as well, and so do
    `<service>.<namespace>` in one of `also_zones`; there a namespace is always part of the name.
    """
    text = authority.decode("ascii", "replace").lower()
    if also_zones:
        text = _also(also_zones).sub(rf"\g<name>.{ZONE}", text, count=1)
    match = _names(cluster_domain).fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        return None
    if match["alone"]:
        return MeshName(caller_namespace, match["alone"], port)
    return MeshName(match["namespace"], match["service"], port, match["pod"] or "")


@lru_cache(maxsize=8)  # a process has one domain
def _names(cluster_domain: str) -> re.Pattern[str]:
    zone = rf"(?:{ZONE}|svc(?:\.{re.escape(cluster_domain)})?)"
    return re.compile(
        rf"(?:(?:(?P<pod>{_LABEL})\.)?(?P<service>{_LABEL})\.(?P<namespace>{_LABEL})\.{zone}"
        rf"|(?P<alone>{_LABEL})\.{ZONE})\.?(?::(?P<port>[0-9]{{0,5}}))?",
        re.ASCII,
    )


@lru_cache(maxsize=8)  # a process has one setting
def _also(zones: tuple[str, ...]) -> re.Pattern[str]:
    """A whole name with a namespace in one of these zones.

    `reviews.shop.traefik.mesh` must not be the pod `reviews` of a service `shop` in the namespace `traefik`;
    `web.traefik.mesh` stays the service `web` of that namespace.
    """
    any_zone = "|".join(map(re.escape, zones))
    name = rf"(?:{_LABEL}\.)?{_LABEL}\.{_LABEL}"
    return re.compile(rf"\A(?P<name>{name})\.(?:{any_zone})(?=\.?(?::[0-9]*)?\Z)", re.ASCII)


def named(text: str, cluster_domain: str = CLUSTER_DOMAIN) -> MeshName | None:
    """The service that an operator means: `reviews.shop`, `shop/reviews` or a mesh name, each with or without a port.

    None when it is none of these. The namespace is "" where `text` has none.
    """
    namespace, slash, rest = text.partition("/")
    if slash:
        service, colon, port = rest.partition(":")
        text = f"{service}.{namespace}{colon}{port}"
    name, colon, port = text.rstrip(".").partition(":")
    found = parse(f"{name}{colon}{port}".encode(), ZONE, cluster_domain)  # reviews.mesh: of the namespace mesh
    return found or parse(f"{name}.{ZONE}{colon}{port}".encode(), "", cluster_domain)
