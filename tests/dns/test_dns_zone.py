"""What the DNS says of the mesh's names."""

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from nodeproxy.dns.zone import PAYLOAD_BYTES, TTL_S, respond, service_of
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.table.table import NoTable
from tests.fakes.tables import bare_live

HTTP, METRICS, TIME = Port(80, "http"), Port(9090, "metrics"), Port(123, "ntp", "udp", transport="udp")
TLS, HTTP3 = Port(9000, "secure", "tls"), Port(80, "http3", "udp", transport="udp")
SIGNALS, ANY = Port(2905, "m3ua", "sctp", transport="sctp"), Port(7000, "any", "detect")
WEB = Service("shop", "web", "127.77.0.1", (HTTP, METRICS, TIME, TLS, ANY, SIGNALS))
QUIC = [Service("shop", f"quic{step}", "127.77.0.7", (HTTP, HTTP3)[::step]) for step in (1, -1)]
PODS = (Endpoint("10.0.0.1", 8080, hostname="db-0"), Endpoint("fd00::1", 8080, hostname="db-0"))
DB = Service("shop", "db", "127.78.0.9", (Port(5432, "sql", "tcp", PODS),))
V6 = Service("shop", "six", "fd77::1", (HTTP,))
BARE = Service("shop", "bare", "", (HTTP, TIME))
PHONE = Service("shop", "phone", "127.77.0.8", (SIGNALS,))
OWN = Service("default", "own", "127.77.0.2", (HTTP,))


@pytest.fixture(scope="module")
def table():
    live = bare_live()
    live.install(Replace((WEB, DB, V6, BARE, OWN, PHONE, *QUIC)))
    return live.table


def ask(table, name, kind="A", **fields):
    return respond(dns.message.make_query(name, kind, **fields), table)


def answers(response):
    return sorted(str(record) for rrset in response.answer for record in rrset)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.shop.mesh.", "A", ["127.77.0.1"]),
        ("WEB.Shop.MESH.", "A", ["127.77.0.1"]),
        ("web.shop.mesh.", "ANY", ["127.77.0.1"]),
        ("own.mesh.", "A", ["127.77.0.2"]),
        ("six.shop.mesh.", "AAAA", ["fd77::1"]),
        ("quic1.shop.mesh.", "A", ["127.77.0.7"]),
        ("quic-1.shop.mesh.", "A", ["127.77.0.7"]),
        ("_http._tcp.quic1.shop.mesh.", "SRV", ["0 100 80 quic1.shop.mesh."]),
        ("_http._tcp.quic-1.shop.mesh.", "SRV", ["0 100 80 quic-1.shop.mesh."]),
        ("db-0.db.shop.mesh.", "A", ["10.0.0.1"]),
        ("db-0.db.shop.mesh.", "AAAA", ["fd00::1"]),
        ("_http._tcp.web.shop.mesh.", "SRV", ["0 100 80 web.shop.mesh."]),
        ("_metrics._tcp.web.shop.mesh.", "SRV", ["0 100 9090 web.shop.mesh."]),
        ("db.shop.mesh.", "A", ["127.78.0.9"]),
        ("_sql._tcp.db.shop.mesh.", "SRV", ["0 100 5432 db.shop.mesh."]),
        ("_secure._tcp.web.shop.mesh.", "SRV", ["0 100 9000 web.shop.mesh."]),
        ("_any._tcp.web.shop.mesh.", "SRV", ["0 100 7000 web.shop.mesh."]),
        ("_ntp._udp.web.shop.mesh.", "SRV", ["0 100 123 web.shop.mesh."]),
        ("_http3._udp.quic1.shop.mesh.", "SRV", ["0 100 80 quic1.shop.mesh."]),
        ("mesh.", "NS", ["ns.mesh."]),
    ],
)
def test_what_there_is(table, name, kind, expected):
    response = ask(table, name, kind)

    assert (response.rcode(), answers(response)) == (dns.rcode.NOERROR, expected)
    assert response.flags & dns.flags.AA and {rrset.ttl for rrset in response.answer} == {TTL_S}


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("web.shop.mesh.", "AAAA", dns.rcode.NOERROR),
        ("web.shop.mesh.", "TXT", dns.rcode.NOERROR),
        ("shop.mesh.", "A", dns.rcode.NOERROR),  # stands above names: exists, has nothing
        ("_tcp.web.shop.mesh.", "SRV", dns.rcode.NOERROR),
        ("mesh.", "A", dns.rcode.NOERROR),
        ("bare.shop.mesh.", "A", dns.rcode.NOERROR),  # another service has its address
        ("bare.shop.mesh.", "ANY", dns.rcode.NOERROR),
        ("_http._tcp.bare.shop.mesh.", "SRV", dns.rcode.NOERROR),  # without an address it has no listener
        ("_ntp._udp.bare.shop.mesh.", "SRV", dns.rcode.NOERROR),
        ("phone.shop.mesh.", "A", dns.rcode.NOERROR),  # none of its ports is served: it has no listener
        ("_m3ua._sctp.phone.shop.mesh.", "SRV", dns.rcode.NOERROR),
        ("_m3ua._sctp.web.shop.mesh.", "SRV", dns.rcode.NOERROR),
        ("db.shop.mesh.", "AAAA", dns.rcode.NOERROR),
        ("_http._udp.quic1.shop.mesh.", "SRV", dns.rcode.NXDOMAIN),
        ("nobody.shop.mesh.", "A", dns.rcode.NXDOMAIN),
        ("nowhere.mesh.", "A", dns.rcode.NXDOMAIN),
        ("db-9.db.shop.mesh.", "A", dns.rcode.NXDOMAIN),
        ("a.b.c.d.mesh.", "A", dns.rcode.NXDOMAIN),
        ("_x._tcp.web.shop.mesh.", "SRV", dns.rcode.NXDOMAIN),
        ("_http._udp.web.shop.mesh.", "SRV", dns.rcode.NXDOMAIN),
        ("_udp.db.shop.mesh.", "SRV", dns.rcode.NXDOMAIN),
        ("_http._tcp.nobody.shop.mesh.", "SRV", dns.rcode.NXDOMAIN),
        ("_http.web.shop.mesh.", "SRV", dns.rcode.NXDOMAIN),
        (r"w\000b.shop.mesh.", "A", dns.rcode.NXDOMAIN),
        (r"\195\164.shop.mesh.", "A", dns.rcode.NXDOMAIN),
    ],
)
def test_what_there_is_not_is_said_with_the_soa_so_that_it_is_remembered_shortly(table, name, kind, rcode):
    response = ask(table, name, kind)

    assert (response.rcode(), response.answer) == (rcode, [])
    (soa,) = response.authority
    assert soa.ttl == TTL_S and soa[0].minimum == TTL_S and str(soa.name) == "mesh."


@pytest.mark.parametrize(
    ("name", "fields", "rcode"),
    [
        ("web.shop.example.", {}, dns.rcode.REFUSED),
        ("notmesh.", {}, dns.rcode.REFUSED),
        ("web.shop.mesh.", {"rdclass": "CH"}, dns.rcode.REFUSED),
        ("web.shop.mesh.", {"use_edns": 1}, dns.rcode.BADVERS),
    ],
)
def test_what_is_not_ours_to_answer(table, name, fields, rcode):
    assert ask(table, name, **fields).rcode() == rcode


@pytest.mark.parametrize(
    ("name", "key"), [("web.shop.mesh.", "shop/web"), ("web.shop.svc.", ""), ("web.shop.svc.cluster.local.", "")]
)
def test_only_a_name_of_the_zone_asks_for_the_endpoints_of_its_service(name, key):
    assert service_of(dns.message.make_query(name, "A")) == key


def test_what_is_no_plain_query(table):
    query = dns.message.make_query("web.shop.mesh.", "A")
    query.set_opcode(dns.opcode.NOTIFY)
    assert respond(query, table).rcode() == dns.rcode.NOTIMP

    query = dns.message.make_query("web.shop.mesh.", "A")
    query.question.clear()
    assert respond(query, table).rcode() == dns.rcode.FORMERR


def test_before_the_first_table_nothing_is_known_or_unknown():
    assert ask(NoTable(), "web.shop.mesh.").rcode() == dns.rcode.SERVFAIL


def test_edns_is_answered_with_edns(table):
    assert ask(table, "web.shop.mesh.", use_edns=0, payload=4096).payload == PAYLOAD_BYTES
    assert ask(table, "web.shop.mesh.", use_edns=False).edns == -1


@pytest.fixture(scope="module")
def with_zones():
    live = bare_live(also_zones=("traefik.mesh", "maesh"))
    live.install(Replace((WEB, DB, OWN, Service("traefik", "panel", "127.77.0.4", (HTTP,)))))
    return live.table


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.shop.traefik.mesh.", "A", ["127.77.0.1"]),
        ("WEB.shop.Maesh.", "A", ["127.77.0.1"]),
        ("db-0.db.shop.maesh.", "A", ["10.0.0.1"]),
        ("_http._tcp.web.shop.traefik.mesh.", "SRV", ["0 100 80 web.shop.traefik.mesh."]),
        ("web.shop.mesh.", "A", ["127.77.0.1"]),
        ("panel.traefik.mesh.", "A", ["127.77.0.4"]),
        ("maesh.", "NS", ["ns.maesh."]),
    ],
)
def test_names_in_further_zones_have_the_same_records(with_zones, name, kind, expected):
    response = ask(with_zones, name, kind)

    assert answers(response) == expected
    assert response.flags & dns.flags.AA


def test_a_missing_name_is_denied_by_the_zone_that_it_is_in(with_zones):
    missing = ask(with_zones, "nothing.shop.maesh.")
    namespace = ask(with_zones, "shop.traefik.mesh.")
    alone = ask(with_zones, "own.maesh.")

    assert missing.rcode() == alone.rcode() == dns.rcode.NXDOMAIN
    assert (namespace.rcode(), namespace.answer) == (dns.rcode.NOERROR, [])
    assert [str(each.authority[0].name) for each in (missing, namespace)] == ["maesh.", "traefik.mesh."]


def test_a_further_zone_is_refused_without_the_setting(table):
    assert ask(table, "web.shop.maesh.").rcode() == dns.rcode.REFUSED


def test_a_query_in_a_further_zone_says_which_service_it_is_for():
    asked = dns.message.make_query("web.shop.traefik.mesh", "A")

    assert service_of(asked, ("traefik.mesh",)) == "shop/web"
    assert service_of(dns.message.make_query("web.shop.maesh", "A")) == ""
