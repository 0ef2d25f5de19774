"""Validation of settings that are addresses, ranges, sources, URLs or lists; names are in `setting_names`.

Each function returns the valid text, or raises with what to write instead. None looks at the machine.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from nodeproxy.setting_names import LABEL

Range = IPv4Network | IPv6Network

NAMESPACE = "namespace:"  # prefix of a namespace in trust_forwarded
_BOOLEANS = {"true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n"}
_COLLECTOR = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?(?:/[!-\"$->@-~]*)?")
_PAGE = re.compile(r"https?://[!#-;=?-~]+")  # visible ASCII, but nothing that ends a field Link: " < >


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address in a setting."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def own_address(text: str) -> str:
    """A listener address; port 0 is any free port.

    Raises:
        ValueError: `text` is not an address and port, or is a wildcard.
    """
    if text.startswith("*:") or _parsed(text, "127.0.0.1:8077 or [::1]:8077").is_unspecified:
        raise ValueError("never listen on a wildcard address: the host network is not ours")
    return text


def known_address(text: str) -> str:
    """A listener address with a fixed port, for listeners whose clients are configured with it.

    Raises:
        ValueError: as `own_address`, and for port 0.
    """
    if split_address(own_address(text))[1] == 0:
        raise ValueError("port 0 is any free port, and clients need a fixed one; write an address as 127.0.0.1:8077")
    return text


def loopback_address(text: str) -> str:
    """A listener address with a fixed port that only this machine reaches.

    Raises:
        ValueError: as `known_address`, and for every other address than one of loopback.
    """
    host, _ = split_address(known_address(text))
    if not ip_address(host).is_loopback:
        raise ValueError("the page has no login, so it listens at loopback alone, as 127.0.0.1:9070 or [::1]:9070")
    return text


def server_address(text: str) -> str:
    """The address and port of another server.

    Raises:
        ValueError: `text` is not an address and port, or is a wildcard or has port 0.
    """
    if _parsed(text, "10.96.0.10:53 or [::1]:53").is_unspecified or split_address(text)[1] == 0:
        raise ValueError("not the address of a server; write an address as 10.96.0.10:53 or [::1]:53")
    return text


def collector(text: str) -> str:
    """The URL of an OTLP/HTTP collector, "" for none.

    Raises:
        ValueError: `text` is not an http or https URL of a host, or has a query.
    """
    if text and _COLLECTOR.fullmatch(text) is None:
        raise ValueError("expected the URL of a collector, such as http://collector.observability:4318")
    return text.rstrip("/")


def page(text: str) -> str:
    """The URL of a page to whose sections links lead, "" for none.

    Raises:
        ValueError: `text` is not an http or https URL, or has a fragment already.
    """
    if text and (_PAGE.fullmatch(text) is None or "#" in text):
        raise ValueError("expected the URL of a page without a fragment, such as https://docs.example/troubleshooting/")
    return text


def range_of_addresses(text: str) -> str:
    """A range of virtual addresses.

    Raises:
        ValueError: `text` is not a CIDR, has fewer than 4 addresses, or no socket can listen in it.
    """
    found = _network(text)
    if found.num_addresses < 4:
        raise ValueError("the range is too small; use at least 2 host bits, better 16")
    if found.is_multicast or found.network_address.is_unspecified:
        raise ValueError("sockets cannot listen at these addresses; use a range such as 240.77.0.0/16")
    return text


def trusted_source(text: str) -> str:
    """A trusted source of requests: a CIDR, an address, or `namespace:<name>`.

    Raises:
        ValueError: `text` is none of them.
    """
    if text.startswith(NAMESPACE):
        if LABEL.fullmatch(text.removeprefix(NAMESPACE)) is None:
            raise ValueError("not a valid namespace name; write it as namespace:ingress-nginx")
        return text
    if text.lower() in _BOOLEANS:
        raise ValueError(OLD_TRUST)
    try:
        return str(_network(text))
    except ValueError as error:
        raise ValueError(f"{error}; or a namespace as namespace:ingress-nginx") from None


OLD_TRUST = (
    "trust is per source: list the trusted addresses and namespaces, such as 10.0.0.0/8,namespace:ingress-nginx,"
    " or leave it out to trust none"
)


def sources(value: object) -> object:
    """The elements of a list of sources, separated by commas in a flag or the environment.

    Raises:
        ValueError: `value` is a boolean.
    """
    if isinstance(value, bool):
        raise ValueError(OLD_TRUST)
    return elements(value)


def elements(value: object) -> object:
    """The elements of a list, separated by commas in a flag or the environment."""
    return [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value or ()


def split_sources(texts: tuple[str, ...]) -> tuple[tuple[Range, ...], frozenset[str]]:
    """The ranges and the namespaces of valid sources."""
    names = frozenset(text.removeprefix(NAMESPACE) for text in texts if text.startswith(NAMESPACE))
    return tuple(ip_network(text) for text in texts if not text.startswith(NAMESPACE)), names


def origin(text: str) -> str:
    """The source of services.

    Raises:
        ValueError: unknown kind of source, or no folder named.
    """
    kind, colon, where = text.partition(":")
    if not colon or kind not in ("files", "kube") or (kind == "files" and not where):
        raise ValueError("write files:DIR, kube: or kube:KUBECONFIG")
    return path(text)


def path(text: str) -> str:
    """A path.

    Raises:
        ValueError: `text` contains a NUL byte.
    """
    if "\0" in text:
        raise ValueError("a path cannot contain a NUL byte")
    return text


def _parsed(text: str, example: str) -> IPv4Address | IPv6Address:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f"write an address as {example}; a name may resolve to several") from None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address.scope_id is not None):
        raise ValueError(f"write an address as {example}, without a zone and not IPv4-mapped")
    if not port.isascii() or not port.isdecimal() or int(port[:6]) > 65535:
        raise ValueError(f"write an address as {example}, with a port of at most 65535")
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
    raise ValueError(f"write the range as {whole}: bits are set after the prefix")
