"""One spelling per address. An API server takes more than one, and passes them on as they were written. Pure.

Source: Kubernetes, apimachinery/pkg/util/validation/ip.go: a number may begin with zeros and is decimal all the same;
an IPv4 address may be written as the IPv6 one that stands for it. New objects of this kind are only warned of.
"""

import re
from ipaddress import IPv6Address, ip_address

_NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PLAIN = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{3}}", re.ASCII)


def plain(text: str) -> str:
    """The usual spelling of an address that an API server takes.

    Raises:
        ValueError: an API server does not take it.
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
