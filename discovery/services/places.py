"""The distance of an endpoint from this node, by its service's traffic distribution or the policy in its place.

Uses the endpoint's node and zone. Ignores a slice's hints: the controller derives them from the same two fields, omits
them when pods are spread unevenly and thins them out to share load between zones, which this mesh does not do.
Source: KEP-3015 (PreferSameZone, PreferSameNode), KEP-2086 (Local).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from discovery.kubernetes.endpoints import SliceEndpoint
from discovery.kubernetes.pods import Node
from discovery.kubernetes.services import ServiceSpec

ZONE_LABEL = "topology.kubernetes.io/zone"

_PREFERENCES = {"SameNode": "PreferSameNode", "SameZone": "PreferSameZone", "Any": None}
_SAME_ZONE = ("PreferSameZone", "PreferClose")  # KEP-3015: the older name


class Place(NamedTuple):
    """A node and its zone, "" if unknown."""

    node: str = ""
    zone: str = ""


ANYWHERE = Place()


def place_of(configured: Place, node: Node | None) -> Place:
    """This node's place: as configured, else from the labels of its Node object."""
    labels = (node.metadata.labels if node is not None else None) or {}
    return configured._replace(zone=configured.zone or labels.get(ZONE_LABEL, ""))


def distance(endpoint: SliceEndpoint, place: Place, preference: str | None) -> int:
    """0 for the nearest tier of a service with this `trafficDistribution`, more for farther tiers.

    An endpoint whose place is unknown is not near. An unknown preference counts as none.
    """
    same_zone = bool(place.zone) and endpoint.zone == place.zone
    if preference == "PreferSameNode":
        return 0 if place.node and endpoint.node_name == place.node else 1 if same_zone else 2
    return 0 if same_zone or preference not in _SAME_ZONE else 1


def preference_of(spec: ServiceSpec, policies: Mapping[str, Any]) -> str | None:
    """What `distance` goes by: the policy `loadBalancer.locality` where it is in force, else the service's own field.

    `policies` is a valid policy table.
    """
    balancer = policies.get("loadBalancer") or {}
    locality = None if balancer.get("mode") == "shadow" else balancer.get("locality")
    return _PREFERENCES[locality["preference"]] if locality else spec.traffic_distribution


def insists(spec: ServiceSpec) -> bool:
    """Whether a service may use endpoints of the same node only."""
    # an ExternalName has no pods, so the API server's default for the field does not apply
    return spec.internal_traffic_policy == "Local" and spec.type != "ExternalName"


def may_serve(endpoint: SliceEndpoint, place: Place, spec: ServiceSpec) -> bool:
    """Whether a service's policy lets this node call the endpoint at all.

    If the node's own name is unknown, the policy is not applied, because no endpoint would match; `build.problems_of`
    reports that.
    """
    return not insists(spec) or not place.node or endpoint.node_name == place.node
