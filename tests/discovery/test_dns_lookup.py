"""Look-ups of names at a real DNS server on loopback."""

import subprocess
import sys

import pytest

from discovery.sources.external import dns_lookup
from discovery.sources.external.dns_lookup import look_up
from discovery.sources.external.names import NotFound, Server
from tests.fakes.dns import Zone, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def zone():
    with serving(Zone()) as zone:
        yield zone


async def found(zone, name="bank.example"):
    answer = await look_up(name, Server("127.0.0.1", zone.port))
    return [str(address) for address in answer.addresses], answer.ttl_s


async def test_the_addresses_of_both_families_hold_for_the_shorter_ttl(zone):
    zone.records["bank.example"] = [("A", 60, "192.0.2.2"), ("A", 60, "192.0.2.1"), ("AAAA", 30, "2001:db8::1")]

    assert await found(zone) == (["192.0.2.1", "192.0.2.2", "2001:db8::1"], 30)
    assert zone.asked == [("bank.example", "A"), ("bank.example", "AAAA")]


async def test_aliases_are_followed_and_the_shortest_ttl_of_the_chain_counts(zone):
    zone.records["bank.example"] = [("CNAME", 5, "a.cdn.example.")]
    zone.records["a.cdn.example"] = [("CNAME", 300, "b.cdn.example.")]
    zone.records["b.cdn.example"] = [("A", 60, "192.0.2.1")]

    assert await found(zone) == (["192.0.2.1"], 5)


@pytest.mark.parametrize(
    ("records", "addresses"),
    [([("AAAA", 9, "2001:db8::1")], ["2001:db8::1"]), ([("A", 9, "192.0.2.1")], ["192.0.2.1"])],
)
async def test_one_family_is_enough(zone, records, addresses):
    zone.records["bank.example"] = records

    assert await found(zone) == (addresses, 9)


async def test_a_server_that_is_silent_about_ipv6_does_not_hide_ipv4(zone, monkeypatch):
    monkeypatch.setattr(dns_lookup, "LIFETIME_S", 0.2)
    zone.records["bank.example"] = [("A", 60, "192.0.2.1")]
    zone.silent = {"AAAA"}

    assert await found(zone) == (["192.0.2.1"], 60)


async def test_a_name_is_asked_for_as_it_stands_without_a_search_path(zone):
    with pytest.raises(NotFound, match="there is no such name"):
        await found(zone, "bank")

    assert zone.asked == [("bank", "A")]


@pytest.mark.parametrize(
    ("records", "silent", "message"),
    [
        (None, set(), "there is no such name"),
        ([("TXT", 60, "words")], set(), "the name has no address"),
        ([("A", 60, "192.0.2.1")], {"A", "AAAA"}, "no DNS server answers in time"),
    ],
)
async def test_a_name_that_cannot_be_resolved_is_reported_with_the_reason(zone, monkeypatch, records, silent, message):
    monkeypatch.setattr(dns_lookup, "LIFETIME_S", 0.2)
    if records is not None:
        zone.records["bank.example"] = records
    zone.silent = silent

    with pytest.raises(NotFound) as refused:
        await found(zone)

    assert str(refused.value) == message


async def test_what_is_no_name_is_a_failure_like_others(zone):
    with pytest.raises(NotFound, match="it cannot be asked for: LabelTooLong"):
        await found(zone, "a" * 64 + ".example")


@pytest.mark.parametrize(("kind", "address"), [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")])
def test_a_record_of_another_class_in_an_answer_does_not_spoil_those_after_it(kind, address):
    script = f"""
import discovery.sources.external.dns_lookup, dns.rdata
dns.rdata.from_wire("ANY", "{kind}", bytes(4), 0, 4)
print(dns.rdata.from_text("IN", "{kind}", "{address}").address)"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == (f"{address}\n", "")
