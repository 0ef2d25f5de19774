"""What the table needs of the side of the endpoints; `wiring` has it, and tests have their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.mesh.model import Port, Service
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.filters import Admission
from nodeproxy.policies.route_rules import Rule
from nodeproxy.policies.targets import Resolved
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.upstream.udp_upstream import UdpUpstream

Settings = Mapping[str, PolicySettings]
"""The settings of each policy in force for a service port, by its name."""
States = Mapping[str, Any]
"""The state of each policy of a service port that has one, by its name."""


@dataclass(frozen=True, slots=True)
class Makers:
    """What the builder calls for the side of the endpoints."""

    upstream: Callable[[Service, Port, Settings, States, str], Handler]
    """Makes the innermost handler of a service port, or of the pod with this host name. Without side effects."""
    install: Callable[[Service, Port, Settings, States], None]
    """Puts the endpoints of a service port in force."""
    remove: Callable[[str], None]
    """Dismisses the endpoints of the service port with this name."""
    tools: Callable[[RouteStats, Decisions], Tools]
    """Makes the tools of one policy of a service port."""
    elsewhere: Callable[[Service, Port, Settings, Resolved], Handler] | None = None
    """Makes a handler that sends to this destination on behalf of a service port."""
    datagrams: Callable[[Service, Port, Settings, States, Admission], UdpUpstream] | None = None
    """Makes what chooses for the sessions of a UDP port. Without side effects."""
    routed: Callable[[Service, Port, Settings, States, Rule], Handler] | None = None
    """Makes the innermost handler of a rule of `routes` that chooses by more than a split. Without side effects."""
