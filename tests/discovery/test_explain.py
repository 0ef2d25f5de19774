"""What is in force for a service, and where it is written; and how a service is found by its name."""

import pytest

from discovery.kubernetes.services import ServicePort
from discovery.observe.explain import (
    DEFAULT,
    LAST_GOOD,
    layer_of,
    origins_of,
    policies_in_force,
    port_explained,
)
from discovery.observe.lookup import CLOSE_MOST, NotFound, close_names, service_asked
from discovery.observe.server import Asked
from discovery.policies.layers import PolicyLayers
from discovery.services.catalogue import POLICY_MAP
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.names import named
from nodeproxy.policies.chain import CHAIN
from nodeproxy.policies.table import settings_of
from tests.discovery.kube import own_policy_map, policy_map, put


def in_force(*values, key="shop/reviews"):
    """Value and origin of each field, by policy and field; and the names of the policies."""
    layers = PolicyLayers(POLICY_MAP)
    for value in values:
        layers.apply(put(value))
    views = policies_in_force(layers.policies_of(key), layers.written_for(key))
    fields = {(view.name, each.field): each for view in views for each in view.fields}
    return fields, [view.name for view in views]


def test_without_any_map_the_defaults_are_in_force_in_the_order_of_the_chain():
    fields, names = in_force()

    assert names == [policy.name for policy in CHAIN if policy.default]
    assert {each.origin for each in fields.values()} == {DEFAULT}
    assert fields["timeouts", "responseHead"].value == "15s"
    assert fields["retries", "retryOn"].value == ["connect-failure", "reset"]


def test_each_field_has_the_origin_of_the_narrowest_table_that_has_it():
    fields, _ = in_force(
        policy_map(
            _default="timeouts: {request: 10s, idle: 1m30s}\nretries: {attempts: 1, backoff: {base: 10ms, max: 1s}}",
            _default__shop="timeouts: {request: 5s}\nretries:\n",
            reviews__shop="retries: {backoff: {max: 100ms}}",
        ),
        own_policy_map("shop/mesh", reviews="timeouts: {connect: 1s}"),
    )

    def told(policy, field):
        view = fields[policy, field]
        return view.value, view.origin.removeprefix("ConfigMap "), view.key, view.layer

    mesh = "nodeproxy/nodeproxy-policy"
    assert told("timeouts", "request") == ("5s", mesh, "_default.shop", "namespace shop")
    assert told("timeouts", "idle") == ("1m30s", mesh, "_default", "mesh")
    assert told("timeouts", "connect") == ("1s", "shop/mesh", "reviews", "service reviews.shop")
    assert told("timeouts", "responseHead") == ("15s", DEFAULT, "", "")
    assert told("retries", "attempts") == (1, mesh, "_default", "mesh")
    assert told("retries", "backoff.base") == ("10ms", mesh, "_default", "mesh")
    assert told("retries", "backoff.max") == ("100ms", mesh, "reviews.shop", "service reviews.shop")


def test_values_are_told_as_they_are_written():
    table = """
        split: {targets: [{service: a, weight: 9}, {service: b, namespace: bank}]}
        rateLimit: {requestsPerSecond: 2.5}
        healthCheck: {}
    """
    fields, names = in_force(own_policy_map(reviews=table))

    assert {"split", "rateLimit", "healthCheck"} < set(names)
    assert fields["split", "targets"].value == [
        {"service": "a", "namespace": None, "port": None, "labels": {}, "weight": 9},
        {"service": "b", "namespace": "bank", "port": None, "labels": {}, "weight": 1},
    ]
    assert fields["rateLimit", "requestsPerSecond"].value == 2.5
    assert fields["healthCheck", "interval"].value == "3s"
    assert fields["healthCheck", "interval"].origin == DEFAULT


def test_what_is_told_is_valid_and_means_what_is_in_force():
    table = {"retries": {"attempts": 3, "codes": [503], "retryOn": ["retriable-status-codes"]}, "healthCheck": {}}
    told = {}
    for view in policies_in_force(table, ()):
        for each in view.fields:
            below, *path = each.field.split("."), told.setdefault(view.name, {})
            (at,) = path
            for step in below[:-1]:
                at = at.setdefault(step, {})
            at[below[-1]] = each.value

    assert settings_of(told) == settings_of(table)


def test_what_no_map_has_is_from_the_last_good_state():
    views = policies_in_force({"timeouts": {"request": "10s"}}, ())

    origins = {each.field: each.origin for view in views if view.name == "timeouts" for each in view.fields}
    assert (origins["request"], origins["idle"]) == (LAST_GOOD, DEFAULT)


@pytest.mark.parametrize(
    ("scope", "words"),
    [("_default", "mesh"), ("_default.shop", "namespace shop"), ("reviews.shop", "service reviews.shop")],
)
def test_a_scope_is_told_in_words(scope, words):
    assert layer_of(scope) == words


@pytest.mark.parametrize(
    ("port", "service", "note"),
    [
        (Port(80, endpoints=(Endpoint("10.0.0.1", 80),)), {}, ""),
        (Port(80), {"unsubscribed": True}, ""),
        (Port(80), {}, "no endpoint is ready"),
        (Port(80), {"only_local": True}, "internalTrafficPolicy is Local"),
        (Port(443, protocol="tls"), {}, "port 443 speaks TLS, which is served at a virtual address only"),
        (Port(443, protocol="tls"), {"virtual_address": "127.77.0.9"}, "no endpoint is ready"),
        (Port(53, protocol="sctp", transport="sctp"), {"virtual_address": "127.77.0.9"}, "port 53 speaks SCTP"),
    ],
)
def test_a_port_says_why_it_cannot_be_called(port, service, note):
    told = port_explained(Service("shop", "web", ports=(port,), **service), port).note

    assert told.startswith(note) and bool(told) == bool(note)


@pytest.mark.parametrize(
    ("protocol", "where", "without_address"),
    [
        ("http", "by name and at 127.77.0.9:80", "by name"),
        ("http2", "by name and at 127.77.0.9:80", "by name"),
        ("detect", "HTTP by name and at 127.77.0.9:80", "HTTP by name"),
        ("tls", "at 127.77.0.9:80", ""),
        ("tcp", "at 127.77.0.9:80", ""),
        ("udp", "at 127.77.0.9:80", ""),
        ("sctp", "", ""),
    ],
)
def test_a_port_says_where_it_is_served(protocol, where, without_address):
    port = Port(80, protocol=protocol, transport=protocol if protocol in ("udp", "sctp") else "tcp")
    told = [port_explained(Service("shop", "web", address), port) for address in ("127.77.0.9", "")]

    assert [each.where for each in told] == [where, without_address]
    assert [each.served for each in told] == [bool(where), bool(without_address)]
    assert told[0].origin == LAST_GOOD


def test_an_address_of_ipv6_is_written_in_brackets():
    assert port_explained(Service("shop", "db", "fd77::1"), Port(5432, protocol="tcp")).where == "at [fd77::1]:5432"


def test_the_origin_of_each_ports_protocol_is_found_by_its_key():
    ports = ServicePort(53, "dns", "UDP"), ServicePort(53, "dns-tcp"), ServicePort(80, "x"), ServicePort(9000, "http")
    policies = {"protocol": {"ports": {"9000": "http2"}}}

    assert origins_of(ports, policies) == {
        "53/udp": "protocol UDP",
        "53": "name dns-tcp",
        "80": "default",
        "9000": "policy protocol.ports",
    }


def test_each_policy_names_the_ports_that_it_acts_on():
    ports = Port(80, protocol="http"), Port(5432, protocol="tcp"), Port(53, protocol="udp", transport="udp")
    acts = {view.name: view.ports for view in policies_in_force({"connectionPool": {}}, (), ports)}

    assert acts["retries"] == ("80",)
    assert acts["connectionPool"] == acts["loadBalancer"] == ("80", "5432", "53/udp")


SERVICES = {
    each.key: each
    for each in (
        Service("shop", "reviews", ports=(Port(80), Port(8080))),
        Service("bank", "reviews", ports=(Port(80),)),
        Service("shop", "ratings"),
        Service("bank", "ledger"),
    )
}
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ({"service": "reviews.shop"}, 0),
        ({"service": "shop/reviews:8080"}, 8080),
        ({"service": "reviews.shop.mesh", "port": "80"}, 80),
        ({"service": "reviews.shop:8080", "port": "80"}, 80),
    ],
)
async def test_a_service_and_its_port_are_found(query, number):
    assert await service_asked(Asked(query), SERVICES) == (SERVICES["shop/reviews"], number)


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({}, 400, "'' is not the name of a service; write reviews.shop or shop/reviews"),
        ({"service": "a b"}, 400, "'a b' is not the name of a service; write reviews.shop or shop/reviews"),
        ({"service": "pod-0.reviews.shop"}, 400, "'pod-0.reviews.shop' is not the name of a service; write "),
        (
            {"service": "reviws.shop"},
            404,
            "there is no service reviws in namespace shop in the mesh; close to it: reviews.shop",
        ),
        (
            {"service": "ledger.shop"},
            404,
            "there is no service ledger in namespace shop in the mesh; close to it: ledger.bank",
        ),
        (
            {"service": "zzz.qqq"},
            404,
            "there is no service zzz in namespace qqq in the mesh; `nodeproxy services` lists",
        ),
        (
            {"service": "reviews"},
            404,
            "reviews needs its namespace: reviews.<namespace>; close to it: reviews.bank, reviews.shop",
        ),
        ({"service": "reviews.shop:81"}, 404, "reviews.shop has no port 81; it has 80, 8080"),
        ({"service": "reviews.shop", "port": "http"}, 404, "reviews.shop has no port http; it has 80, 8080"),
        ({"service": "ratings.shop", "port": "1"}, 404, "ratings.shop has no port 1; it has none"),
        ({"service": "reviews.shop", "port": "8" * 5000}, 404, "reviews.shop has no port 8888"),
    ],
)
async def test_a_service_that_does_not_exist_is_told_with_what_is_close(query, status, text):
    with pytest.raises(NotFound) as error:
        await service_asked(Asked(query), SERVICES)

    page = error.value.page
    assert (page.status, page.body.decode()[: len(text)]) == (status, text)


def test_close_names_are_few():
    close = close_names(named("reviews.shop"), [f"n{number}/reviews" for number in range(100)])

    assert len(close) == CLOSE_MOST
