"""Validation of settings that are names: of hosts, domains, zones, namespaces, nodes and policies.

Each function returns the valid name, or raises with what to write instead.
"""

import re

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
POLICY_NAME = re.compile(r"[a-z][a-zA-Z0-9]{0,62}")
OWN_POLICIES_MOST = 64  # each has a place in the chain, and series of metrics
ZONES_MOST = 8  # further zones: each is a server block's key of the cluster's DNS
_NODE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")  # an RFC 1123 subdomain, as Kubernetes names nodes
_DOMAIN = re.compile(rf"{LABEL.pattern}(?:\.{LABEL.pattern})*")
_ZONE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")  # a label value, as on the Node object


def host(text: str) -> str:
    """A host as a browser sends it, without a port.

    Raises:
        ValueError: `text` is no name or address of a host.
    """
    if _NODE.fullmatch(text.lower()) is None:
        raise ValueError("expected the name or address of a host without a port, such as mesh.example.com")
    return text.lower()


def cluster_domain(text: str) -> str:
    """The DNS domain of the cluster, in lower case and without the trailing dot.

    Raises:
        ValueError: `text` is not a domain, or is in the zone mesh.
    """
    domain = text.lower().removesuffix(".")
    if _DOMAIN.fullmatch(domain) is None:
        raise ValueError("write a domain as cluster.local")
    if f".{domain}".endswith(".mesh"):
        raise ValueError("the zone mesh belongs to the mesh; the cluster domain must be outside it")
    return domain


def also_zone(text: str) -> str:
    """A further DNS zone of the mesh's names, in lower case and without the trailing dot.

    Raises:
        ValueError: `text` is not a domain, is the zone mesh itself, or would take names of the cluster's own.
    """
    domain = text.lower().removesuffix(".")
    if _DOMAIN.fullmatch(domain) is None or len(domain) > 200:  # leaves room for the names below it (RFC 1035: 255)
        raise ValueError("write zones as traefik.mesh,maesh")
    if domain == "mesh":
        raise ValueError("the zone mesh always answers; leave it out")
    if domain == "svc":
        raise ValueError("<service>.<namespace>.svc is a name of the cluster itself")
    if domain.endswith(".arpa") or domain == "arpa":
        raise ValueError("a zone of reverse look-ups has no services")
    return domain


def also_zones(zones: tuple[str, ...], cluster_domain_: str) -> None:
    """Checks all further zones together, and beside the cluster's domain.

    Raises:
        ValueError: there are too many, one is written twice, or one takes names of the cluster.
    """
    if len(zones) > ZONES_MOST:
        raise ValueError(f"also_zones: at most {ZONES_MOST}, got {len(zones)}")
    for zone_ in zones:
        if zones.count(zone_) > 1:
            raise ValueError(f"also_zones: {zone_} is there twice")
        if f".{cluster_domain_}".endswith(f".{zone_}") or f".{zone_}".endswith(f".{cluster_domain_}"):
            raise ValueError(
                f"also_zones: {zone_} overlaps cluster_domain {cluster_domain_}, so the cluster's own names would go to"
                " the proxy"
            )


def policy_name(text: str) -> str:
    """The name of a policy, as it stands in a policy table.

    Raises:
        ValueError: `text` is not in camelCase.
    """
    if POLICY_NAME.fullmatch(text) is None:
        raise ValueError("write the name of a policy as in a policy table, such as tenantHeader")
    return text


def namespace(text: str) -> str:
    """The name of a namespace, or "".

    Raises:
        ValueError: `text` is not a valid name.
    """
    return _matching(LABEL, text, "the name of a namespace has lower-case letters, digits and dashes, at most 63")


def node_name(text: str) -> str:
    """The name of a node, or "".

    Raises:
        ValueError: `text` is not a valid name.
    """
    return _matching(_NODE, text, "the name of a node has lower-case letters, digits, dashes and dots, at most 253")


def zone(text: str) -> str:
    """The name of a zone, or "".

    Raises:
        ValueError: `text` is not a valid label value.
    """
    return _matching(_ZONE, text, "a zone is a label value: letters, digits, dashes, underscores and dots, at most 63")


def _matching(pattern: re.Pattern[str], text: str, cure: str) -> str:
    if text and pattern.fullmatch(text) is None:
        raise ValueError(cure)
    return text
