"""The handlers of a service port, or of a rule of its routes: each policy around those behind it in `CHAIN`."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Handler, Place, Tools, nowhere
from nodeproxy.mesh.model import Port, Service
from nodeproxy.policies.block import Policy
from nodeproxy.policies.filters import Admission, Filters, OnRequest
from nodeproxy.policies.registry import Registry
from nodeproxy.policies.routes import rule_port
from nodeproxy.policies.targets import Resolved
from nodeproxy.table.makers import Makers, Settings, States
from nodeproxy.table.no_requests import no_requests
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.upstream.udp_upstream import UdpUpstream


@dataclass(frozen=True, slots=True)
class Part:
    """The policies of a service port; or those of one rule of its routes, which has a label."""

    service: Service
    port: Port
    settings: Settings
    states: States
    stats: RouteStats
    label: str = ""

    def decisions(self, policy: str) -> Decisions:
        """Counts those of this policy. What a policy keeps on the node by name is the rule's own."""
        name = rule_port(self.stats.service_port, self.label) if self.label else self.stats.service_port
        return Decisions(self.stats.decisions, policy, self.settings[policy].mode, name)


class Chains:
    """Builds handlers; without side effects."""

    def __init__(self, makers: Makers, registry: Registry) -> None:
        self._makers = makers
        self.registry = registry

    def requests(self, part: Part, pod: str, innermost: Handler | None = None) -> Handler:
        """The handler of requests, of all endpoints or of the pod with this host name."""
        return self._handler(part, pod, self.registry.chain, innermost) if part.port.takes_requests else no_requests

    def connect(self, part: Part, pod: str) -> Handler | None:
        """The handler of TCP connections that carry no HTTP; None where the port has none."""
        return self._handler(part, pod, self.registry.connections) if part.port.takes_connections else None

    def datagrams(self, part: Part) -> UdpUpstream | None:
        """What chooses for the sessions of a UDP port; None for every other port."""
        make = self._makers.datagrams
        if make is None or part.port.transport != "udp":
            return None
        segment = [
            policy for policy in self.registry.chain if "datagrams" in policy.touches and policy.name in part.settings
        ]
        return make(part.service, part.port, part.settings, part.states, Admission(_on_request(segment, part)))

    def tools(self, part: Part, policy: str) -> Tools:
        """The tools of one policy."""
        tools = self._makers.tools(part.stats, part.decisions(policy))
        return dataclasses.replace(tools, settings=part.settings, states=part.states, elsewhere=self._elsewhere(part))

    def _handler(self, part: Part, pod: str, chain: Sequence[Policy], innermost: Handler | None = None) -> Handler:
        """The innermost handler inside of the policies of `chain`."""
        settings, states = part.settings, part.states
        handler = innermost or self._makers.upstream(part.service, part.port, settings, states, pod)
        for policy in chain:
            if policy.wrap_attempt is not None and policy.name in settings:
                handler = policy.wrap_attempt(settings[policy.name], handler, self.tools(part, policy.name))
        segment: list[Policy] = []  # policies that do not wait, of which none that waits stands between
        for policy in reversed(chain):
            if policy.name not in settings:
                continue
            if policy.on_request is not None or policy.on_response is not None:
                segment.insert(0, policy)
            if policy.wrap is not None:
                inner = _filtered(segment, part, handler)
                wrapped = policy.wrap(
                    settings[policy.name], inner, self.tools(part, policy.name), states.get(policy.name)
                )
                if wrapped is not inner:
                    handler, segment = wrapped, []
        return _filtered(segment, part, handler)

    def _elsewhere(self, part: Part) -> Callable[[Place], Handler]:
        make, service, port = self._makers.elsewhere, part.service, part.port

        def elsewhere(place: Place) -> Handler:
            if make is None:
                return nowhere
            key = f"{place.namespace or service.namespace}/{place.service or service.name}"
            target = Resolved(f"{key}:{place.port or port.number}", place.labels)
            return make(service, port, part.settings, target)

        return elsewhere


def _filtered(segment: Sequence[Policy], part: Part, inner: Handler) -> Handler:
    """`inner` inside of the policies of `segment`, which do not wait: one handler, or `inner` itself."""
    settings, states, on_request = part.settings, part.states, _on_request(segment, part)
    on_response = [
        (policy.on_response, states.get(policy.name, settings[policy.name]))
        for policy in segment
        if policy.on_response is not None and (policy.observes or settings[policy.name].mode == "enforce")
    ]
    return Filters(on_request, on_response, inner) if on_request or on_response else inner


def _on_request(segment: Sequence[Policy], part: Part) -> Sequence[OnRequest]:
    settings, states = part.settings, part.states
    return [
        (policy.on_request, states.get(policy.name, settings[policy.name]), part.decisions(policy.name))
        for policy in segment
        if policy.on_request is not None
    ]
