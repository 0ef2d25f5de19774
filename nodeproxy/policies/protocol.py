"""`protocol`: what a port speaks, where its Service does not say so or says it wrong.

Discovery applies it (`discovery.services.protocol_selection`): workers get the protocol of each port in their table.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from nodeproxy.policies.block import Policy, PolicySettings

TcpProtocol = Literal["http", "http2", "tls", "tcp", "detect"]


class ProtocolSettings(PolicySettings):
    """`http` and `http2` say how endpoints are spoken to, in the clear; such a port accepts nothing but HTTP. `tcp` and
    `tls` are passed on as bytes. `detect` decides for each connection by its first bytes.

    Where policies for requests must not be passed by, declare `http` or `http2`: on a port that is detected they apply
    only to connections that begin as HTTP does, and the client chooses how its connection begins. A port of UDP or
    SCTP cannot be changed. In shadow mode `nodeproxy explain` shows what would change.
    """

    default: TcpProtocol | None = None
    """Of all TCP ports that neither their appProtocol, their name nor their number says anything of: in the place of
    `detect`."""
    ports: Annotated[dict[str, TcpProtocol], Field(default_factory=dict, max_length=64)]
    """By the number of a TCP port of the service, as its clients use it: in the place of whatever the Service says."""

    @field_validator("ports")
    @classmethod
    def _numbers(cls, ports: dict[str, TcpProtocol]) -> dict[str, TcpProtocol]:
        for number in ports:
            if not (number.isascii() and number.isdecimal() and number[0] != "0" and int(number[:6]) <= 65535):
                raise ValueError(f"expected the number of a port, 1 to 65535, as key: {number[:64]!r} is none")
        return ports


POLICY: Policy = Policy("protocol", ProtocolSettings, touches=("connections",), acts="on the ports, before any request")
