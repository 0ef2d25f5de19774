"""How far an endpoint is from this node, counted as its service asks.

Decided from the node and the zone that the endpoint itself tells. A slice's hints are not read: the controller derives
them from the same two fields, takes them away when pods spread unevenly, and thins them out to share load between
zones, which is nothing that this mesh promises. Source: KEP-3015 (PreferSameZone, PreferSameNode), KEP-2086 (Local).
"""

from typing import NamedTuple

from discovery.kubernetes.objects import Node, ServiceSpec, SliceEndpoint

ZONE_LABEL = "topology.kubernetes.io/zone"

_SAME_ZONE = ("PreferSameZone", "PreferClose")  # KEP-3015: the old name of the same


class Place(NamedTuple):
    """A node and its zone, "" for what is not known."""

    node: str = ""
    zone: str = ""


ANYWHERE = Place()


def place_of(configured: Place, node: Node | None) -> Place:
    """Where we are: what was configured, and for the rest what the node's own object says."""
    labels = (node.metadata.labels if node is not None else None) or {}
    return configured._replace(zone=configured.zone or labels.get(ZONE_LABEL, ""))


def distance(endpoint: SliceEndpoint, place: Place, preference: str | None) -> int:
    """0 for the nearest that a service with this `trafficDistribution` asks for, more for what is farther.

    What is not known is not near. A preference that nobody has heard of yet is none.
    """
    same_zone = bool(place.zone) and endpoint.zone == place.zone
    if preference == "PreferSameNode":
        return 0 if place.node and endpoint.node_name == place.node else 1 if same_zone else 2
    return 0 if same_zone or preference not in _SAME_ZONE else 1


def insists(spec: ServiceSpec) -> bool:
    """Whether a service must be served by its own node or not at all."""
    # an ExternalName has no pods, so the API server's default for the field says nothing of it
    return spec.internal_traffic_policy == "Local" and spec.type != "ExternalName"


def may_serve(endpoint: SliceEndpoint, place: Place, spec: ServiceSpec) -> bool:
    """Whether a service's policy lets this node call the endpoint at all.

    Where the node's own name is not known, nothing would be of this node: then the policy is not kept, and
    `build.problems_of` says so.
    """
    return not insists(spec) or not place.node or endpoint.node_name == place.node
