from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis.strategies import (
    booleans,
    fixed_dictionaries,
    integers,
    lists,
    none,
    one_of,
    permutations,
)

from discovery.kubernetes.endpoints import Conditions
from discovery.kubernetes.services import ServicePort, ServiceSpec
from discovery.problem import NOWHERE
from discovery.services.build import problems_of, service_of, wanted_address
from discovery.services.endpoints import endpoints_of, state_of
from discovery.services.places import ANYWHERE
from discovery.services.store import Stored
from discovery.sources.external.slices import slices_for
from nodeproxy.mesh.address import HEADLESS_RANGE, MESH_RANGE, headless_address
from nodeproxy.mesh.model import Endpoint, Port, Service
from tests.discovery.kube import endpoint, service, slice_of, stored

FLAG = one_of(none(), booleans())


def built(value, *slices):
    return service_of(stored(value), [stored(each) for each in slices], "127.77.0.10", {})


def addresses(value, *slices, port=0):
    return [(each.address, each.port) for each in built(value, *slices).ports[port].endpoints]


def test_a_service_has_its_ports_and_the_endpoints_behind_them():
    found = built(service(), slice_of("shop/reviews", endpoint("10.0.0.1", nodeName="node-1", zone="a")))

    endpoints = (Endpoint("10.0.0.1", 8080, "node-1", "a"),)
    assert found == Service("shop", "reviews", "127.77.0.10", (Port(80, "http", "http", endpoints),))


def test_a_service_without_selector_works_the_same():
    value = service("shop/database", ports=[{"port": 5432, "name": "tcp"}], selector=None)

    assert addresses(value, slice_of("shop/database", ports=[{"name": "tcp", "port": 15432}])) == [("10.0.0.1", 15432)]


def test_slice_ports_are_matched_by_name_and_each_slice_has_its_own_numbers():
    value = service(ports=[{"name": "http", "port": 80}, {"name": "admin", "port": 81}])
    old = slice_of("shop/reviews", endpoint("10.0.0.1"), name="old", ports=[{"name": "http", "port": 8080}])
    ports = [{"name": "admin", "port": 9091}, {"name": "http", "port": 9090}]
    new = slice_of("shop/reviews", endpoint("10.0.0.2"), name="new", ports=ports)

    assert addresses(value, old, new) == [("10.0.0.1", 8080), ("10.0.0.2", 9090)]
    assert addresses(value, old, new, port=1) == [("10.0.0.2", 9091)]


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_and_an_empty_name_are_equal(name):
    assert addresses(service(ports=[{"port": 80}]), slice_of(ports=[{"name": name, "port": 8080}])) == [
        ("10.0.0.1", 8080)
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_a_port_is_a_number_and_a_transport(order):
    tcp = {"name": "http", "port": 80, "protocol": "TCP"}, {"name": "http", "port": 8080}
    udp = {"name": "http3", "port": 80, "protocol": "UDP"}, {"name": "http3", "port": 8443, "protocol": "UDP"}
    ports, targets = zip(*(tcp, udp)[::order], strict=True)

    found = {port.key: port for port in built(service(ports=ports), slice_of(ports=targets)).ports}

    assert {key: (port.transport, port.endpoints[0].port) for key, port in found.items()} == {
        "80": ("tcp", 8080),
        "80/udp": ("udp", 8443),
    }


def test_a_slice_port_of_another_transport_is_another_port():
    udp = slice_of(ports=[{"name": "http", "port": 8080, "protocol": "UDP"}])

    assert addresses(service(), udp) == []


def test_a_slice_port_without_number_has_no_endpoints():
    assert addresses(service(), slice_of(ports=[{"name": "http", "port": None}])) == []


SIX = slice_of("shop/reviews", endpoint("FD00:0::1"), endpoint("fd00::1"), name="six", family="IPv6")


@pytest.mark.parametrize(
    ("families", "found"),
    [
        (None, [("10.0.0.1", 8080)]),
        (["IPv4", "IPv6"], [("10.0.0.1", 8080)]),
        (["IPv6", "IPv4"], [("fd00::1", 8080)]),
        (["IPv6"], [("fd00::1", 8080)]),
    ],
)
def test_a_pod_with_an_address_of_each_family_is_one_endpoint_of_the_family_that_stands_first(families, found):
    assert addresses(service(ipFamilies=families), slice_of(), SIX) == found


@pytest.mark.parametrize("families", [None, ["IPv4"], ["IPv4", "IPv6"]])
def test_endpoints_of_another_family_are_better_than_none(families):
    assert addresses(service(ipFamilies=families), SIX) == [("fd00::1", 8080)]


def test_an_endpoint_that_is_ready_in_the_second_family_comes_before_one_that_drains_in_the_first():
    draining = slice_of("shop/reviews", endpoint("10.0.0.1", ready=False, serving=True, terminating=True))

    assert addresses(service(ipFamilies=["IPv4", "IPv6"]), draining, SIX) == [("fd00::1", 8080)]


def test_an_endpoint_that_two_slices_have_is_one():
    slices = [slice_of("shop/reviews", endpoint("10.0.0.1"), name=name) for name in ("a", "b")]

    assert addresses(service(), *slices) == [("10.0.0.1", 8080)]


def test_an_endpoint_is_ready_if_any_slice_says_so():
    late = slice_of("shop/reviews", endpoint("10.0.0.1", ready=False), name="a")
    early = slice_of("shop/reviews", endpoint("10.0.0.1", ready=True), name="b")

    assert addresses(service(), late, early) == [("10.0.0.1", 8080)]


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "state"),
    [
        (None, None, None, "ready"),
        (True, True, False, "ready"),
        (None, True, None, "ready"),
        (False, True, True, "draining"),
        (False, None, True, "draining"),
        (None, None, True, "draining"),
        (False, False, True, "out"),
        (False, False, False, "out"),
        (False, None, None, "out"),
        (True, False, False, "out"),
    ],
)
def test_ready_is_serving_and_not_terminating_and_unknown_means_well(ready, serving, terminating, state):
    assert state_of(Conditions(ready, serving, terminating)) == state


@pytest.mark.parametrize("conditions", [None, {}, {"ready": None, "serving": None, "terminating": None}])
def test_an_endpoint_of_which_nothing_is_said_is_ready(conditions):
    silent = endpoint("10.0.0.1")
    silent["conditions"] = conditions

    assert addresses(service(), slice_of("shop/reviews", silent)) == [("10.0.0.1", 8080)]


def test_draining_endpoints_are_left_alone_while_one_is_ready():
    draining = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)

    assert addresses(service(), slice_of("shop/reviews", draining, endpoint("10.0.0.2"))) == [("10.0.0.2", 8080)]


def test_draining_endpoints_serve_when_none_is_ready():
    draining = endpoint("10.0.0.1", ready=False, serving=True, terminating=True)
    out = endpoint("10.0.0.2", ready=False, serving=False, terminating=True)

    assert addresses(service(), slice_of("shop/reviews", draining, out)) == [("10.0.0.1", 8080)]


def test_endpoints_that_are_not_ready_serve_when_the_service_publishes_them():
    value = service(publishNotReadyAddresses=True)

    assert addresses(value, slice_of("shop/reviews", endpoint("10.0.0.1", ready=False, serving=False)))


CONDITIONS = fixed_dictionaries({"ready": FLAG, "serving": FLAG, "terminating": FLAG})
SLICES = lists(
    lists(fixed_dictionaries({"host": integers(1, 6), "conditions": CONDITIONS}), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


def slices_from(drawn):
    return [
        stored(
            slice_of(
                "shop/reviews",
                *(endpoint(f"10.0.0.{each['host']}", **each["conditions"]) for each in endpoints),
                name=f"slice-{index}",
            )
        ).object
        for index, endpoints in enumerate(drawn)
    ]


@given(drawn=SLICES, anyhow=booleans())
def test_endpoints_are_each_once_in_order_and_exactly_the_best_there_are(drawn, anyhow):
    slices = slices_from(drawn)

    found = endpoints_of(ServicePort(80, "http"), ServiceSpec(publish_not_ready_addresses=anyhow), slices, ANYWHERE)

    best = {"ready": set(), "draining": set(), "out": set()}
    for each in slices:
        for one in each.endpoints:
            best["ready" if anyhow else state_of(one.conditions)].add(one.addresses[0])
    assert [each.address for each in found] == sorted(best["ready"] or best["draining"])


@given(
    drawn=SLICES.flatmap(lambda drawn: permutations(slices_from(drawn)).map(lambda mixed: (slices_from(drawn), mixed)))
)
def test_the_order_of_slices_does_not_matter(drawn):
    slices, mixed = drawn

    one, other = (endpoints_of(ServicePort(80, "http"), ServiceSpec(), each, ANYWHERE) for each in (slices, mixed))

    assert one == other


def test_the_address_of_a_headless_service_comes_from_its_key():
    for cluster_ip in ("None", "", None):
        value = stored(service(clusterIP=cluster_ip)).object
        assert wanted_address(value, MESH_RANGE, HEADLESS_RANGE) == headless_address("shop/reviews", HEADLESS_RANGE)


def test_the_address_of_another_service_comes_from_its_cluster_ip():
    assert wanted_address(stored(service()).object, MESH_RANGE, HEADLESS_RANGE) == "127.77.0.10"


EXTERNAL = service("shop/bank", type="ExternalName", externalName="bank.example", clusterIP="", ports=[])


def test_an_external_name_without_ports_speaks_http_on_80_at_an_address_of_its_own():
    value = stored(EXTERNAL)

    assert [(port.number, port.protocol) for port in built(EXTERNAL).ports] == [(80, "http")]
    assert wanted_address(value.object, MESH_RANGE, HEADLESS_RANGE) == headless_address("shop/bank", HEADLESS_RANGE)
    assert list(problems_of(value, [])) == []


def test_an_external_name_has_no_endpoints_but_those_of_its_name():
    forged = slice_of("shop/bank", endpoint("10.9.9.9"), ports=[{"port": 80}])
    resolved = [
        Stored(each, NOWHERE) for each in slices_for(stored(EXTERNAL).object, [ip_address("192.0.2.1")]).values()
    ]

    for value, found in ((EXTERNAL, ["192.0.2.1"]), (service("shop/bank", ports=[{"port": 80}]), ["10.9.9.9"])):
        of_mesh = service_of(stored(value), [stored(forged), *resolved], "", {})
        assert [each.address for each in of_mesh.ports[0].endpoints] == found


@pytest.mark.parametrize(
    ("asked", "kept_s"),
    [
        ({}, 0.0),
        ({"sessionAffinity": "None"}, 0.0),
        ({"sessionAffinity": "ClientIP"}, 10800.0),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 30}}}, 30.0),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {}}}, 10800.0),
    ],
)
def test_a_client_keeps_its_endpoint_for_as_long_as_the_service_asks(asked, kept_s):
    assert built(service(**asked)).affinity_s == kept_s


def test_endpoints_that_are_names_are_left_out_and_said():
    names = slice_of("shop/reviews", endpoint("example.com"), family="FQDN")

    assert addresses(service(), names) == []
    assert "EndpointSlice shop/reviews-1: addressType: the mesh calls addresses" in str(
        *problems_of(stored(service()), [stored(names)])
    )
