"""Policies that are written for one service and do not act on it."""

import pytest

from discovery.check import check
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.source import Batch
from nodeproxy.mesh.model import Port
from tests.discovery.kube import (
    delete,
    endpoint,
    file_of,
    own_policy_map,
    policy_map,
    put,
    service,
    slice_of,
)

HTTP, SQL = {"name": "http", "port": 80}, {"name": "sql", "port": 5432, "appProtocol": "postgresql"}
DNS, BOTH = {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}
ONLY_SQL = "no port of the service takes any: 5432 (tcp); where one speaks HTTP after all, write its protocol"


def catalogue_of(*values):
    found = Catalogue(Scope())
    found.apply(Batch(tuple(map(put, values))))
    return found


def warnings(ports, table):
    found = catalogue_of(service("shop/db", ports=ports), own_policy_map(db=table))
    problems = list(found.problems())
    assert {each.severity for each in problems} <= {"warning"}
    assert {(each.subject, each.path) for each in problems} <= {("ConfigMap shop/policies", ("data", "db"))}
    return [each.message for each in problems]


@pytest.mark.parametrize(
    ("ports", "table", "told"),
    [
        ([SQL], "retries: {attempts: 3}", [f"retries: has no effect: it acts on HTTP requests, and {ONLY_SQL}"]),
        ([SQL], "connectionPool: {maxConnections: 5}", []),
        ([SQL, HTTP], "retries: {attempts: 3}", []),
        ([{"name": "x", "port": 7000}], "retries: {attempts: 3}", []),
        ([SQL], "protocol: {ports: {5432: http}}\nretries: {attempts: 3}", []),
        (
            [HTTP],
            "protocol: {ports: {80: tcp}}\nretries: {attempts: 3}",
            [
                "retries: has no effect: it acts on HTTP requests, and no port of the service takes any: 80 (tcp); "
                "where one speaks HTTP after all, write its protocol"
            ],
        ),
        (
            [DNS],
            "healthCheck: {}\nconnectionPool: {maxConnections: 5}",
            ["healthCheck: has no effect: it acts on connections, and no port of the service takes any: 53/udp (udp)"],
        ),
        ([], "retries: {attempts: 3}", []),
        (
            [HTTP, SQL],
            'protocol: {ports: {"5433": tcp, "80": http2}}',
            ["protocol.ports: the service has no port 5433; its TCP ports are 80, 5432"],
        ),
        (
            [DNS, HTTP],
            "protocol: {ports: {53: tcp}}",
            ["protocol.ports: port 53 is of UDP, and no policy makes TCP of it; remove it here, or change the Service"],
        ),
        ([DNS, BOTH], "protocol: {ports: {53: detect}}", []),
    ],
)
def test_what_is_written_for_a_service_alone_and_has_no_effect_is_a_warning(ports, table, told):
    assert warnings(ports, table) == told


def test_a_table_for_many_services_may_have_what_some_have_no_use_for():
    for many in (
        policy_map(_default="retries: {attempts: 3}", _default__shop="protocol: {ports: {9000: http2}}"),
        own_policy_map(_default="retries: {attempts: 3}\nprotocol: {ports: {9000: http2}}"),
    ):
        assert list(catalogue_of(service("shop/db", ports=[SQL]), many).problems()) == []


def test_the_policy_decides_what_a_port_speaks_for_all_that_read_the_table_and_a_change_is_a_difference():
    one = own_policy_map(db="protocol: {ports: {5432: http2}}")
    found = catalogue_of(service("shop/db", ports=[SQL, HTTP]), policy_map(_default="protocol: {ports: {80: tcp}}"))

    assert [port.protocol for port in found.services["shop/db"].ports] == ["tcp", "tcp"]
    differences = found.apply(Batch((put(one),)))
    assert [port.protocol for port in differences["shop/db"].ports] == ["http2", "tcp"]
    assert [port.protocol for port in found.apply(Batch((delete(one),)))["shop/db"].ports] == ["tcp", "tcp"]


def test_a_port_of_udp_stays_one_of_udp():
    found = catalogue_of(service("shop/db", ports=[DNS, BOTH]), own_policy_map(db="protocol: {ports: {53: http}}"))

    assert found.services["shop/db"].ports == (
        Port(53, "dns", "udp", transport="udp"),
        Port(53, "dns-tcp", "http"),
    )


def test_check_shows_the_place_of_what_has_no_effect(tmp_path):
    objects = service("shop/db", ports=[SQL]), slice_of("shop/db", endpoint(), ports=[{**SQL, "port": 1}])
    (tmp_path / "db.yaml").write_bytes(file_of(*objects, own_policy_map(db="retries: {attempts: 3}")))

    (warning,) = check(tmp_path).warnings

    assert str(warning).startswith("db.yaml: document 3 (ConfigMap shop/policies): data.db: retries: has no effect")
    assert warning.line == 5


def test_a_map_that_has_gone_while_its_last_good_table_is_in_force_is_still_named():
    mesh_map = policy_map(db__shop="retries: {attempts: 3}", _default="timeouts: {request: 10s}")
    found = catalogue_of(service("shop/db", ports=[SQL]), mesh_map)
    (written,) = (each for each in found.policies.written_for("shop/db") if each.key == "db.shop")

    found.apply(Batch((delete(mesh_map),)))

    told = found.policies.warning(written, "no effect")
    assert (told.subject, told.path, told.severity) == (
        "ConfigMap nodeproxy/nodeproxy-policy",
        ("data", "db.shop"),
        "warning",
    )
    assert list(found.problems()) == []


def test_without_virtual_addresses_no_service_has_one_and_none_is_in_the_way_of_another():
    found = Catalogue(Scope(virtual_addresses=False))
    found.apply(Batch((put(service("shop/a", ports=[SQL])), put(service("shop/b", ports=[HTTP])))))

    assert [each.virtual_address for each in found.services.values()] == ["", ""]
    assert list(found.problems()) == []
