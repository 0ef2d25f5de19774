"""The distance of endpoints from this node, by the settings of a service."""

import pytest

from discovery.services.build import problems_of, service_of
from discovery.services.catalogue import Catalogue, Scope
from discovery.services.places import ANYWHERE, ZONE_LABEL, Place, distance
from discovery.sources.source import Batch
from tests.discovery.kube import delete, endpoint, put, ref, service, slice_of, stored

HERE = Place("node-1", "zone-a")
PODS = slice_of(
    "shop/reviews",
    endpoint("10.0.0.1", nodeName="node-1", zone="zone-a"),
    endpoint("10.0.0.2", nodeName="node-2", zone="zone-a"),
    endpoint("10.0.0.3", nodeName="node-3", zone="zone-b"),
    endpoint("10.0.0.4"),
)


def node(name="node-1", zone="zone-a"):
    labels = {ZONE_LABEL: zone} if zone else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "namespace": "default", "labels": labels}}


def seen_from(place, policies=None, **spec):
    """The distance of each of the pods, identified by the last number of its address."""
    found = service_of(stored(service(**spec)), [stored(PODS)], "", policies or {}, place)
    return {int(each.address[-1]): each.distance for each in found.ports[0].endpoints}


@pytest.mark.parametrize(
    ("asked", "distances"),
    [
        (None, {1: 0, 2: 0, 3: 0, 4: 0}),
        ("PreferSameZone", {1: 0, 2: 0, 3: 1, 4: 1}),
        ("PreferClose", {1: 0, 2: 0, 3: 1, 4: 1}),
        ("PreferSameNode", {1: 0, 2: 1, 3: 2, 4: 2}),
    ],
)
def test_distances_are_counted_as_the_service_asks(asked, distances):
    assert seen_from(HERE, trafficDistribution=asked) == distances


@pytest.mark.parametrize(
    ("preference", "distances"),
    [
        ("SameNode", {1: 0, 2: 1, 3: 2, 4: 2}),
        ("SameZone", {1: 0, 2: 0, 3: 1, 4: 1}),
        ("Any", {1: 0, 2: 0, 3: 0, 4: 0}),
    ],
)
@pytest.mark.parametrize("asked", [None, "PreferSameNode", "PreferSameZone"])
def test_the_policy_comes_before_the_service(preference, distances, asked):
    policy = {"loadBalancer": {"locality": {"preference": preference}}}

    assert seen_from(HERE, policy, trafficDistribution=asked) == distances


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"loadBalancer": None},
        {"loadBalancer": {"simple": "RANDOM", "locality": None}},
        {"loadBalancer": {"mode": "shadow", "locality": {"preference": "Any"}}},
    ],
)
def test_without_a_policy_in_force_the_service_decides(policy):
    assert seen_from(HERE, policy, trafficDistribution="PreferSameZone") == {1: 0, 2: 0, 3: 1, 4: 1}


def test_a_preference_that_a_newer_cluster_has_is_none():
    assert {distance(each, HERE, "PreferSameRack") for each in stored(PODS).object.endpoints} == {0}


@pytest.mark.parametrize(
    ("place", "asked", "distances"),
    [
        (ANYWHERE, "PreferSameZone", {1: 1, 2: 1, 3: 1, 4: 1}),
        (ANYWHERE, "PreferSameNode", {1: 2, 2: 2, 3: 2, 4: 2}),
        (Place("node-1"), "PreferSameNode", {1: 0, 2: 2, 3: 2, 4: 2}),
        (Place("", "zone-b"), "PreferSameNode", {1: 2, 2: 2, 3: 1, 4: 2}),
    ],
)
def test_what_is_not_known_is_not_near(place, asked, distances):
    assert seen_from(place, trafficDistribution=asked) == distances


def test_a_service_that_insists_on_its_node_has_the_endpoints_of_this_node_and_no_others():
    asked = {"internalTrafficPolicy": "Local", "trafficDistribution": "PreferSameZone"}

    assert seen_from(HERE, **asked) == {1: 0}
    assert seen_from(Place("node-9", "zone-a"), **asked) == {}
    assert service_of(stored(service(**asked)), [], "", {}, HERE).only_local
    assert not service_of(stored(service()), [], "", {}, HERE).only_local


def test_endpoints_of_this_node_that_drain_serve_when_the_service_insists_and_others_are_ready():
    draining = endpoint("10.0.0.1", ready=False, serving=True, terminating=True, nodeName="node-1")
    pods = slice_of("shop/reviews", draining, endpoint("10.0.0.2", nodeName="node-2"))

    found = service_of(stored(service(internalTrafficPolicy="Local")), [stored(pods)], "", {}, HERE)

    assert [each.address for each in found.ports[0].endpoints] == ["10.0.0.1"]


def test_insisting_on_an_unknown_node_is_not_applied_and_reported():
    value = stored(service(internalTrafficPolicy="Local"))

    assert len(seen_from(ANYWHERE, internalTrafficPolicy="Local")) == 4
    assert not service_of(value, [], "", {}, ANYWHERE).only_local
    assert "spec.internalTrafficPolicy: Local, but the name of this node is not known" in str(
        *problems_of(value, [], ANYWHERE)
    )
    assert list(problems_of(value, [], HERE)) == []


def test_what_the_api_server_writes_into_every_service_takes_no_endpoint_from_an_external_name():
    value = service(type="ExternalName", externalName="bank.example", clusterIP="", internalTrafficPolicy="Local")

    assert not service_of(stored(value), [], "", {}, HERE).only_local
    assert list(problems_of(stored(value), [], ANYWHERE)) == []


def distances(found):
    return [each.distance for each in found.services["shop/reviews"].ports[0].endpoints]


def test_the_zone_is_learned_from_our_own_node_and_followed_there():
    found = Catalogue(Scope(place=Place("node-1")))
    found.apply(Batch((put(service(trafficDistribution="PreferSameZone")), put(PODS), put(node()))))
    learned = distances(found)

    moved = found.apply(Batch((put(node(zone="zone-b")),)))

    assert learned == [0, 0, 1, 1]
    assert list(moved) == ["shop/reviews"] and distances(found) == [1, 1, 0, 1]
    assert found.apply(Batch((put(node("node-2", "zone-a")), delete(node("node-2"))))) == {}


@pytest.mark.parametrize("lost", [put(node(zone="")), delete(node())])
def test_a_node_without_its_zone_label_leaves_no_zone(lost):
    found = Catalogue(Scope(place=Place("node-1")))
    found.apply(Batch((put(service(trafficDistribution="PreferSameZone")), put(PODS), put(node()))))

    found.apply(Batch((lost,)))

    assert lost.ref == ref(node())
    assert distances(found) == [1, 1, 1, 1]


def test_a_configured_zone_counts_more_than_the_label():
    found = Catalogue(Scope(place=Place("node-1", "zone-b")))

    found.apply(Batch((put(node()), put(service(trafficDistribution="PreferSameZone")), put(PODS))))

    assert distances(found) == [1, 1, 0, 1]
