"""`proxyProtocol`: endpoints of TCP connections learn the address of the caller. `protocol.proxy_v2` writes it."""

from typing import Literal

from nodeproxy.exchange.connection import Connection
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.protocol.proxy_v2 import header


class ProxyProtocolSettings(PolicySettings):
    """A header of the PROXY protocol goes before the first byte of every TCP connection to an endpoint.

    It names the caller's address and port, and the service's own address and port. The endpoint must expect it on every
    connection to this port: one that does not takes it for the client's first bytes, and one that insists on it refuses
    callers that do not go through the mesh. Connections that carry HTTP have none: many callers share them, and their
    requests have `X-Forwarded-For`. A health check by connecting sends the header that stands for the mesh itself.

    In shadow mode no header is sent, and connections that would have had one are counted.
    """

    version: Literal["v2"] = "v2"
    """The binary version of the protocol. Version 1, which is text, is not spoken."""


def decisions(_settings: ProxyProtocolSettings, _before: Decisions | None, tools: Tools) -> Decisions:
    """What counts the headers."""
    return tools.decisions


def on_request(exchange: Exchange, decisions: Decisions) -> None:
    """Let a TCP connection begin with the header."""
    if isinstance(exchange, Connection):
        decisions.count("sent", exchange)
        if not decisions.shadow:
            exchange.added = header(*exchange.addresses())


POLICY: Policy = Policy(
    "proxyProtocol",
    ProxyProtocolSettings,
    connections=True,
    state=decisions,
    on_request=on_request,
    outcomes={"sent": "a connection to an endpoint begins with the header"},
)
