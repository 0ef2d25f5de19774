"""The transport and the protocol of a service port, and what decided it. Pure.

In this order: the policy `protocol` for the port's number, its appProtocol, its name, its number, the policy's default;
else the protocol is detected on each connection. `protocol_names` has the words and numbers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from discovery.kubernetes.services import ServicePort
from discovery.services.protocol_names import NUMBERS, PREFIXES, WORDS
from nodeproxy.mesh.model import PortProtocol, Transport

_TRANSPORT_OF: Mapping[str, Transport] = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


class Selection(NamedTuple):
    """The protocol of a port, and what decided it, for a reader."""

    protocol: PortProtocol
    origin: str


def transport_of(protocol: str | None) -> Transport:
    """The transport of a Kubernetes `protocol`; TCP if it is unset or unknown."""
    return _TRANSPORT_OF.get(protocol or "TCP", "tcp")


def selection_of(port: ServicePort, policies: Mapping[str, Any]) -> Selection:
    """What a port speaks, and why. `policies` is the valid policy table of its service.

    A policy cannot change the transport of a port, and in shadow mode changes nothing.
    """
    transport = transport_of(port.protocol)
    if transport != "tcp":
        return Selection(transport, f"protocol {port.protocol}")
    written = policies.get("protocol") or {}
    asked = _by_policy(port, written)
    if written.get("mode") == "shadow":
        without = _by_policy(port, {})
        would = "" if asked.protocol == without.protocol else f"; in shadow mode: {asked.protocol}, {asked.origin}"
        return without._replace(origin=without.origin + would)
    return asked


def protocol_of(port: ServicePort, policies: Mapping[str, Any]) -> PortProtocol:
    """The protocol of a port; see `selection_of`."""
    return selection_of(port, policies).protocol


def _by_policy(port: ServicePort, written: Mapping[str, Any]) -> Selection:
    for_number = (written.get("ports") or {}).get(str(port.port))
    if for_number is not None:
        return Selection(for_number, "policy protocol.ports")
    declared = _declared(port)
    if declared is not None:
        return declared
    default = written.get("default")
    return Selection("detect", "default") if default is None else Selection(default, "policy protocol.default")


def _declared(port: ServicePort) -> Selection | None:
    """What the Service says of the port, by word or number.

    An appProtocol without a domain is an IANA service name; an unknown one counts as TCP. One with an unknown domain is
    a private convention and is ignored. Letter case does not matter in an appProtocol; a name is in lower case.
    """
    declared = (port.app_protocol or "").lower()
    if declared in WORDS:
        return Selection(WORDS[declared], f"appProtocol {port.app_protocol}")
    if declared and "/" not in declared:
        return Selection(PREFIXES.get(declared.partition("-")[0], "tcp"), f"appProtocol {port.app_protocol}")
    word = (port.name or "").partition("-")[0]
    if word in WORDS:
        return Selection(WORDS[word], f"name {port.name}")
    known = NUMBERS.get(port.port)
    return None if known is None else Selection(known.protocol, f"port number {port.port} ({known.name})")
