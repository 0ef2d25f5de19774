"""How single settings are written: a text in, a valid text out or the cure. Looks at nothing but the text."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Range = IPv4Network | IPv6Network

NAMESPACE = "namespace:"  # before the name of one, among the sources that are trusted
_BOOLEANS = {"true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n"}
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NODE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")  # an RFC 1123 subdomain, as Kubernetes names nodes
_DOMAIN = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})*")
_ZONE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")  # a label's value, as the node carries it


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address as the settings write it."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def own_address(text: str) -> str:
    """An address and port to listen at; port 0 is any free one.

    Raises:
        ValueError: it is none, or a wildcard.
    """
    if text.startswith("*:") or _parsed(text, "127.0.0.1:8077 or [::1]:8077").is_unspecified:
        raise ValueError("never listen on a wildcard address: the host network is not ours")
    return text


def known_address(text: str) -> str:
    """An address and port to listen at that clients have to know.

    Raises:
        ValueError: as `own_address`, and for port 0.
    """
    if split_address(own_address(text))[1] == 0:
        raise ValueError("port 0 is any free port, and no client would know which; write an address as 127.0.0.1:8077")
    return text


def server_address(text: str) -> str:
    """An address and port of somebody else.

    Raises:
        ValueError: it is none that can be called.
    """
    if _parsed(text, "10.96.0.10:53 or [::1]:53").is_unspecified or split_address(text)[1] == 0:
        raise ValueError("nobody can be called there; write an address as 10.96.0.10:53 or [::1]:53")
    return text


def range_of_addresses(text: str) -> str:
    """A range that virtual addresses are taken from.

    Raises:
        ValueError: it is no CIDR, has no room, or nobody can listen in it.
    """
    found = _network(text)
    if found.num_addresses < 4:
        raise ValueError("it has no room for addresses; a range needs at least 2 bits, better 16")
    if found.is_multicast or found.network_address.is_unspecified:
        raise ValueError("nobody can listen at its addresses; take a range as 240.77.0.0/16")
    return text


def cluster_domain(text: str) -> str:
    """The domain that the cluster's own DNS names lie in, in lower case and without the last dot.

    Raises:
        ValueError: it is none, or lies in the mesh's own zone.
    """
    domain = text.lower().removesuffix(".")
    if _DOMAIN.fullmatch(domain) is None:
        raise ValueError("write a domain as cluster.local")
    if f".{domain}".endswith(".mesh"):
        raise ValueError("the zone mesh is the mesh's own: the cluster's names have to lie elsewhere")
    return domain


def trusted_source(text: str) -> str:
    """A source of requests: a CIDR, an address, or a namespace as `namespace:<name>`.

    Raises:
        ValueError: it is none of them.
    """
    if text.startswith(NAMESPACE):
        if _LABEL.fullmatch(text.removeprefix(NAMESPACE)) is None:
            raise ValueError("no namespace has such a name; write it as namespace:ingress-nginx")
        return text
    if text.lower() in _BOOLEANS:
        raise ValueError(OLD_TRUST)
    try:
        return str(_network(text))
    except ValueError as error:
        raise ValueError(f"{error}; or a namespace as namespace:ingress-nginx") from None


OLD_TRUST = (
    "trust is per source: list the addresses and namespaces that are believed, as 10.0.0.0/8,namespace:ingress-nginx,"
    " or leave it out to believe none"
)


def sources(value: object) -> object:
    """The elements of a list of sources, which a flag or the environment writes with commas.

    Raises:
        ValueError: it is a boolean, as this setting once was.
    """
    if isinstance(value, bool):
        raise ValueError(OLD_TRUST)
    return [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value or ()


def split_sources(texts: tuple[str, ...]) -> tuple[tuple[Range, ...], frozenset[str]]:
    """The ranges and the namespaces among valid sources."""
    names = frozenset(text.removeprefix(NAMESPACE) for text in texts if text.startswith(NAMESPACE))
    return tuple(ip_network(text) for text in texts if not text.startswith(NAMESPACE)), names


def origin(text: str) -> str:
    """Where services come from.

    Raises:
        ValueError: no such kind of source, or a folder without a name.
    """
    kind, colon, where = text.partition(":")
    if not colon or kind not in ("files", "kube") or (kind == "files" and not where):
        raise ValueError("write files:DIR, kube: or kube:KUBECONFIG")
    return path(text)


def path(text: str) -> str:
    """A path.

    Raises:
        ValueError: no file can have it.
    """
    if "\0" in text:
        raise ValueError("no path has a byte of zero")
    return text


def namespace(text: str) -> str:
    """The name of a namespace, or nothing.

    Raises:
        ValueError: no namespace can have it.
    """
    return _matching(_LABEL, text, "the name of a namespace has small letters, digits and dashes, 63 at most")


def node_name(text: str) -> str:
    """The name of a node, or nothing.

    Raises:
        ValueError: no node can have it.
    """
    return _matching(_NODE, text, "the name of a node has small letters, digits, dashes and dots, 253 at most")


def zone(text: str) -> str:
    """The name of a zone, or nothing.

    Raises:
        ValueError: no label can have it.
    """
    return _matching(_ZONE, text, "a zone is the value of a label: letters, digits, dashes and dots, 63 at most")


def _matching(pattern: re.Pattern[str], text: str, cure: str) -> str:
    if text and pattern.fullmatch(text) is None:
        raise ValueError(cure)
    return text


def _parsed(text: str, example: str) -> IPv4Address | IPv6Address:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f"write an address as {example}; a name may mean several") from None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address.scope_id is not None):
        raise ValueError(f"write an address as {example}, without a zone and IPv4 as such")
    if not port.isascii() or not port.isdecimal() or int(port[:6]) > 65535:
        raise ValueError(f"write an address as {example}, its port at most 65535")
    return address


def _network(text: str) -> Range:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        whole = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write a range as 10.0.0.0/8 or fd00::/8") from None
    raise ValueError(f"write the range as {whole}: it has bits set behind its prefix")
