"""Responses with many records, which are written once for the same query."""

import sys
from contextlib import contextmanager

import dns.message
import pytest
import trio

from nodeproxy.dns.kept import KEPT_MOST
from nodeproxy.dns.server import Knowledge, response_to
from nodeproxy.dns.zone import PAYLOAD_BYTES
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Put, Replace
from tests.fakes.tables import bare_live

PODS = tuple(Endpoint(f"10.0.{number >> 6}.{number & 63}", 80, hostname="all") for number in range(200))
PORT = Port(80, "http", "http", PODS)
WEB = Service("shop", "web", "127.77.0.1", (PORT,))
ALL = dns.message.make_query("all.web.shop.mesh.", "A", use_edns=0, payload=PAYLOAD_BYTES).to_wire()


@pytest.fixture
def live():
    return bare_live(Replace((WEB,)))


@pytest.fixture
def knowledge(live):
    return Knowledge(lambda: live.table, lambda _key: False, trio.sleep)


def answered(knowledge, query=ALL, limit_bytes=None):
    """The response as bytes, without waiting for anything."""
    with pytest.raises(StopIteration) as ended:
        response_to(query, knowledge, limit_bytes).send(None)
    return ended.value.value


def addresses(response):
    return [record.to_text() for rrset in dns.message.from_wire(response).answer for record in rrset]


@contextmanager
def counted_calls():
    calls = [0]

    def count(_frame, event, _argument):
        calls[0] += event == "call"

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("limit_bytes", [None, PAYLOAD_BYTES])
def test_the_same_query_gets_the_same_response_with_its_own_id(knowledge, limit_bytes):
    first = answered(knowledge, ALL, limit_bytes)

    with counted_calls() as calls:
        again = answered(knowledge, b"\x12\x34" + ALL[2:], limit_bytes)

    assert again == b"\x12\x34" + first[2:]
    assert calls[0] < 100  # writing it takes 10,000


def test_another_limit_is_another_response(knowledge):
    whole, datagram = answered(knowledge), answered(knowledge, ALL, PAYLOAD_BYTES)

    assert len(addresses(whole)) == len(PODS) and len(datagram) <= PAYLOAD_BYTES < len(whole)


def test_a_response_ends_with_the_endpoints_that_it_has(live, knowledge):
    before = answered(knowledge)

    live.install(Put(Service("shop", "web", "127.77.0.1", (Port(80, "http", "http", PODS[:100]),))))
    after = answered(knowledge)
    live.install(Drop("shop/web"))

    assert [len(addresses(each)) for each in (before, after, answered(knowledge))] == [200, 100, 0]


def test_a_table_that_is_replaced_replaces_the_responses(live, knowledge):
    answered(knowledge)

    live.install(Replace((Service("shop", "web", "127.77.0.1", (Port(80, "http", "http", PODS[:9]),)),)))

    assert len(addresses(answered(knowledge))) == 9


def test_no_more_are_kept_than_the_most_and_those_of_few_records_not_at_all(knowledge):
    queries = [
        dns.message.make_query("all.web.shop.mesh.", "A", use_edns=0, payload=600 + each).to_wire()
        for each in range(KEPT_MOST + 1)
    ]

    for query in (dns.message.make_query("web.shop.mesh.", "A").to_wire(), *queries):
        answered(knowledge, query)
    found = [knowledge.kept.find(query, None, knowledge.table()) is not None for query in queries]

    assert found == [False] + [True] * KEPT_MOST
