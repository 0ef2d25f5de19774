"""Normalizes addresses, because an API server accepts several spellings and returns them as written. Pure.

Source: Kubernetes, apimachinery/pkg/util/validation/ip.go: a number may have leading zeros and is still decimal; an
IPv4 address may be IPv4-mapped. The API server only warns of new objects with such addresses.
"""

import re
from ipaddress import IPv6Address, ip_address

_NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{3}}", re.ASCII)


def plain(text: str) -> str:
    """The canonical spelling of an address that an API server accepts.

    Raises:
        ValueError: an API server does not accept it.
    """
    if _PLAIN.fullmatch(text):  # as nearly all are
        return text
    head, colon, dotted = text.rpartition(":")
    if "." in dotted:
        dotted = ".".join(number.lstrip("0") or "0" for number in dotted.split("."))
    address = ip_address(f"{head}{colon}{dotted}")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
