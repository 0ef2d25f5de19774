"""The address that a redirect sends a client to. Source: Gateway API, HTTPRequestRedirectFilter."""

import re
from typing import NamedTuple

from nodeproxy.protocol.message import Request

_PORTS = {b"http": 80, b"https": 443}
_AUTHORITY = re.compile(rb"(\[[^\]]*+\]|[^:]*+)(?::([0-9]++))?")


class Elsewhere(NamedTuple):
    """What of the address differs from the one asked for; None for a part that does not."""

    scheme: str | None = None
    host: str | None = None
    """With or without a port."""
    port: int | None = None


def location(elsewhere: Elsewhere, request: Request, target: bytes) -> bytes:
    """The new address with this path and query; without a host and scheme if the request has no host and none is set.

    The port is that of `elsewhere`, else that which the new scheme implies, else the one asked for. A port that the
    scheme implies is left out.
    """
    asked, asked_port = _host_and_port(request.authority)
    host, port = _host_and_port((elsewhere.host or "").encode())
    path = b"/" + target.lstrip(b"/") if target != b"*" else b"/"  # `//x` could be read as an authority
    if not (host or asked):
        return path
    scheme = elsewhere.scheme.encode() if elsewhere.scheme else request.scheme
    if elsewhere.port is not None:
        port = elsewhere.port
    elif port is None and elsewhere.scheme is None:
        port = asked_port
    shown = b"" if port is None or port == _PORTS.get(scheme) else b":%d" % port
    return b"%b://%b%b%b" % (scheme, host or asked, shown, path)


def _host_and_port(authority: bytes) -> tuple[bytes, int | None]:
    parts = _AUTHORITY.match(authority)
    assert parts is not None  # it matches nothing, too
    return parts[1], int(parts[2]) if parts[2] else None
