"""From a client's address to who it is."""

from ipaddress import ip_network

import pytest

from nodeproxy.mesh.callers import NODE, OTHER, STRANGERS_MOST, UNKNOWN, WORKLOADS_MOST, Callers
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.trust import Trust

CART = Caller("10.244.1.5", "shop", "cart")


def test_a_pod_is_known_by_its_address():
    callers = Callers()

    callers.install([CART])

    assert callers.known["10.244.1.5"] == ("shop", ("shop", "cart"), False)


def test_an_address_that_another_pod_has_now_is_that_ones():
    callers = Callers()
    callers.install([CART])

    callers.install([Caller("10.244.1.5", "bank", "ledger")])

    assert callers.known["10.244.1.5"] == ("bank", ("bank", "ledger"), False)


def test_a_pod_that_is_gone_is_nobody():
    callers = Callers()
    callers.install([CART])

    callers.install([])

    assert callers.known.get("10.244.1.5") is None and callers.stranger("10.244.1.5") is UNKNOWN


def test_a_stranger_may_turn_out_to_be_a_pod():
    callers = Callers()
    callers.stranger("10.244.1.5")

    callers.install([CART])

    assert callers.known["10.244.1.5"].namespace == "shop"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "240.77.0.9", "169.254.77.1"])
def test_the_nodes_own_addresses_are_the_node(address):
    own = ip_network("240.77.0.0/16"), ip_network("169.254.77.1")

    assert Callers(own).stranger(address) is NODE


def test_a_pod_on_the_host_network_is_the_node():
    callers = Callers()

    callers.install([Caller("10.0.0.1", "", "node")])

    assert callers.known["10.0.0.1"] is NODE


def test_strangers_are_remembered_up_to_a_bound():
    callers = Callers()

    for number in range(STRANGERS_MOST + 9):
        assert callers.stranger(f"10.{number >> 8}.{number & 255}.1") is UNKNOWN

    assert len(callers.known) == STRANGERS_MOST


def test_workloads_are_told_apart_up_to_a_bound_and_namespaces_always():
    callers = Callers()

    callers.install(Caller(f"10.{n >> 8}.{n & 255}.1", f"ns-{n}", "job") for n in range(WORKLOADS_MOST + 1))

    last = callers.known[f"10.{WORKLOADS_MOST >> 8}.{WORKLOADS_MOST & 255}.1"]
    assert last == (f"ns-{WORKLOADS_MOST}", OTHER, False)
    assert len({known.labels for known in callers.known.values()}) == WORKLOADS_MOST + 1


def test_where_pods_alone_are_more_than_the_bound_no_stranger_is_remembered():
    callers = Callers()
    callers.install(Caller(f"10.{n >> 8}.{n & 255}.1", "shop", "job") for n in range(STRANGERS_MOST + 1))

    assert callers.stranger("192.0.2.1") is UNKNOWN

    assert "192.0.2.1" not in callers.known


@pytest.mark.parametrize(
    ("address", "trusted"),
    [("10.0.0.1", True), ("::ffff:10.0.0.1", True), ("10.1.0.1", False), ("fd00::1", True), ("fd01::1", False)],
)
def test_a_stranger_is_trusted_by_its_address(address, trusted):
    callers = Callers((), Trust((ip_network("10.0.0.0/16"), ip_network("fd00::/16"))))

    assert callers.stranger(address).trusted is trusted


def test_a_pod_is_trusted_by_its_namespace_or_its_address():
    callers = Callers((), Trust((ip_network("10.0.0.3/32"),), frozenset({"ingress"})))

    callers.install(
        [Caller("10.0.0.1", "ingress", "a"), Caller("10.0.0.2", "shop", "b"), Caller("10.0.0.3", "", "node")]
    )

    assert [callers.known[f"10.0.0.{number}"].trusted for number in (1, 2, 3)] == [True, False, True]
    assert callers.known["10.0.0.3"].labels == NODE.labels and not callers.stranger("10.0.0.4").trusted
