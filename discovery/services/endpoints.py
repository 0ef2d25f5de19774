"""The endpoints of a service port, selected from all slices, states and address families. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from discovery.kubernetes.address_text import plain
from discovery.kubernetes.endpoints import Conditions, EndpointSlice, SliceEndpoint, SlicePort
from discovery.kubernetes.services import ServicePort, ServiceSpec
from discovery.services.places import Place, distance, may_serve
from nodeproxy.mesh import model

State = Literal["ready", "draining", "out"]
Found = dict[tuple[str, int], model.Endpoint]
SubsetsOf = Callable[[str], tuple[str, ...]]
"""The selectors, of those that tables ask for, that the pod of this name matches."""


def no_subsets(_pod: str) -> tuple[str, ...]:
    """Of a service of which no table asks for a subset."""
    return ()


def endpoints_of(
    service_port: ServicePort,
    spec: ServiceSpec,
    slices: Iterable[EndpointSlice],
    place: Place,
    subsets_of: SubsetsOf = no_subsets,
) -> tuple[model.Endpoint, ...]:
    """The endpoints of a service port: the ready ones; if there are none, the draining ones.

    A slice port belongs to the service port of the same name and transport. Endpoints are sorted by address. One
    listed in several slices, as happens while the controller moves it, is returned once, in the state nearest to
    ready. All are of one address family, the service's first that has any: a dual-stack pod is in a slice of each
    family, and is one endpoint.
    """
    found: defaultdict[tuple[State, str], Found] = defaultdict(dict)
    identity = _identity(service_port)
    for each in slices:
        # a slice port without a number means any port; as in kube-proxy it is not used
        number = next((port.port for port in each.ports or () if _identity(port) == identity), None)
        if number is None:
            continue
        for endpoint in each.endpoints or ():
            if not may_serve(endpoint, place, spec):
                continue
            ready = spec.publish_not_ready_addresses
            state = "ready" if ready else state_of(endpoint.conditions or Conditions())
            away = distance(endpoint, place, spec.traffic_distribution)
            made = _endpoint(endpoint, number, away, subsets_of(endpoint.pod))
            found[state, each.address_type].setdefault((made.address, number), made)
    for state in ("ready", "draining"):
        for family in families_of(spec):
            if endpoints := found[state, family]:
                return tuple(endpoint for _, endpoint in sorted(endpoints.items()))
    return ()


def families_of(spec: ServiceSpec) -> Sequence[str]:
    """The address families in the service's order of preference; those it does not name come last.

    The proxy opens its own connections, so a family that the clients lack is still usable.
    """
    return tuple(dict.fromkeys((*(spec.ip_families or ()), "IPv4", "IPv6")))


def state_of(conditions: Conditions) -> State:
    """Whether an endpoint is ready, a last resort (draining) or unusable. Unset conditions count as ready.

    Source: EndpointSlice API, EndpointConditions; kube-proxy, pkg/proxy/endpoints.go reads null the same way.
    """
    if conditions.serving is False:
        return "out"
    if conditions.terminating:
        return "draining"
    return "out" if conditions.ready is False else "ready"


def _identity(port: ServicePort | SlicePort) -> tuple[str, str]:
    return port.name or "", port.protocol or "TCP"


def _endpoint(endpoint: SliceEndpoint, number: int, away: int, subsets: tuple[str, ...]) -> model.Endpoint:
    address = plain(endpoint.addresses[0])  # one spelling per endpoint
    node, zone = endpoint.node_name or "", endpoint.zone or ""
    return model.Endpoint(address, number, node, zone, endpoint.hostname or "", distance=away, subsets=subsets)
