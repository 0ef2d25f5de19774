"""Whether the policies that are written for one service act on it. Pure.

A table for many services may have what some of them have no use for. A table for one service that has no effect is a
mistake, which its author is told.
"""

from collections.abc import Iterator, Sequence

from discovery.policies.key import scopes_of
from discovery.policies.layers import Written
from nodeproxy.mesh.model import Service
from nodeproxy.policies.block import Policy
from nodeproxy.policies.registry import BUILT_IN, Registry


def without_effect(
    service: Service, written: Sequence[Written], registry: Registry = BUILT_IN
) -> Iterator[tuple[Written, str]]:
    """What the tables for this service alone have no effect with, each with the reason and the cure.

    `written` are the tables that its policies are merged from.
    """
    own = scopes_of(service.key)[-1]
    for each in written:
        if each.scope != own:
            continue
        for number in (each.table.get("protocol") or {}).get("ports") or ():
            reason = _number_without_effect(number, service)
            if reason:
                yield each, f"protocol.ports: {reason}"
        for name in each.table if service.ports else ():
            policy = registry.by_name[name]
            if not any(policy.acts_on(port) for port in service.ports):
                yield each, f"{name}: has no effect: {_why(policy, service)}"


def _number_without_effect(number: str, service: Service) -> str:
    """Why the policy `protocol` cannot set the protocol of the port of this number, "" if it can."""
    with_number = [port for port in service.ports if str(port.number) == number]
    if any(port.transport == "tcp" for port in with_number):
        return ""
    if with_number:
        transport = with_number[0].transport.upper()
        return f"port {number} is of {transport}, and no policy makes TCP of it; remove it here, or change the Service"
    have = ", ".join(dict.fromkeys(str(port.number) for port in service.ports if port.transport == "tcp")) or "none"
    return f"the service has no port {number}; its TCP ports are {have}"


def _why(policy: Policy, service: Service) -> str:
    acts = "connections" if policy.connections or policy.touches else "HTTP requests"
    speak = ", ".join(dict.fromkeys(f"{port.key} ({port.protocol})" for port in service.ports[:5]))
    text = f"it acts on {acts}, and no port of the service takes any: {speak}"
    tcp = [port for port in service.ports if port.transport == "tcp"]
    return f"{text}; where one speaks HTTP after all, write its protocol" if tcp and acts != "connections" else text
