"""Which endpoints stand behind a service port: of all slices, states and families the ones to be called. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from discovery.kubernetes.address_text import plain
from discovery.kubernetes.objects import Conditions, EndpointSlice, ServicePort, ServiceSpec, SliceEndpoint, SlicePort
from discovery.services.places import Place, distance, may_serve
from nodeproxy.mesh import model

State = Literal["ready", "draining", "out"]
Found = dict[tuple[str, int], model.Endpoint]


def endpoints_of(
    service_port: ServicePort, spec: ServiceSpec, slices: Iterable[EndpointSlice], place: Place
) -> tuple[model.Endpoint, ...]:
    """The endpoints behind a service port: the ready ones or, failing those, the draining ones.

    A slice's port is the service's of the same name and transport.

    In the order of their addresses, each once even if several slices have it, as happens while the controller moves
    it; the state nearest to ready counts. All of one family, the first of the service's that has any: a pod of a
    cluster with two stands in a slice of each, and is one endpoint.
    """
    found: defaultdict[tuple[State, str], Found] = defaultdict(dict)
    meant = _meant(service_port)
    for each in slices:
        # a slice port without number leaves it to the reader; like kube-proxy we have nothing to take it from
        number = next((port.port for port in each.ports or () if _meant(port) == meant), None)
        if number is None:
            continue
        for endpoint in each.endpoints or ():
            if not may_serve(endpoint, place, spec):
                continue
            ready = spec.publish_not_ready_addresses
            state = "ready" if ready else state_of(endpoint.conditions or Conditions())
            made = _endpoint(endpoint, number, distance(endpoint, place, spec.traffic_distribution))
            found[state, each.address_type].setdefault((made.address, number), made)
    for state in ("ready", "draining"):
        for family in families_of(spec):
            if endpoints := found[state, family]:
                return tuple(endpoint for _, endpoint in sorted(endpoints.items()))
    return ()


def families_of(spec: ServiceSpec) -> Sequence[str]:
    """The address families in the order in which a service wants them; the ones it does not name come last.

    The mesh opens its own connections, so that a family that the service's clients do not have is better than none.
    """
    return tuple(dict.fromkeys((*(spec.ip_families or ()), "IPv4", "IPv6")))


def state_of(conditions: Conditions) -> State:
    """Whether an endpoint takes new requests; only as a last resort; or not at all. Unknown counts as well-meant.

    Source: EndpointSlice API, EndpointConditions; kube-proxy, pkg/proxy/endpoints.go reads null the same way.
    """
    if conditions.serving is False:
        return "out"
    if conditions.terminating:
        return "draining"
    return "out" if conditions.ready is False else "ready"


def _meant(port: ServicePort | SlicePort) -> tuple[str, str]:
    return port.name or "", port.protocol or "TCP"


def _endpoint(endpoint: SliceEndpoint, number: int, away: int) -> model.Endpoint:
    address = plain(endpoint.addresses[0])  # one endpoint must have one spelling
    return model.Endpoint(
        address, number, endpoint.node_name or "", endpoint.zone or "", endpoint.hostname or "", distance=away
    )
