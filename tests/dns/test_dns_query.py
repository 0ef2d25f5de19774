"""What is read of a DNS query, and what is not."""

import struct

import dns.edns
import dns.exception
import dns.message
import dns.opcode
import dns.rdata
import dns.rrset
import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, sampled_from

from nodeproxy.dns.query import parsed

QUERY = dns.message.make_query("web.shop.mesh.", "SRV", use_edns=0, payload=1400, want_dnssec=True)
PLAIN = dns.message.make_query("web.shop.mesh.", "SRV")
UNKNOWN_CLASS, UNKNOWN_TYPE = 4660, 65432
OPT = b"\0" + struct.pack("!HHIH", 41, 1400, 0, 0)


def header(questions=1, answers=0, authorities=0, additional=0):
    return struct.pack("!HHHHHH", 7, 0x0100, questions, answers, authorities, additional)


def record(kind=UNKNOWN_TYPE, of_class=UNKNOWN_CLASS, name=b"\0", data=b""):
    return name + struct.pack("!HHIH", kind, of_class, 60, len(data)) + data


QUESTION = PLAIN.to_wire()[12:]


@pytest.mark.parametrize("query", [QUERY, PLAIN], ids=["EDNS", "plain"])
def test_a_query_is_read_with_its_question_and_edns(query):
    found = parsed(query.to_wire())

    assert (found.id, found.flags, found.question) == (query.id, query.flags, query.question)
    assert (found.edns, found.ednsflags, found.payload) == (query.edns, query.ednsflags, query.payload)


def test_options_of_edns_and_its_version_are_no_errors():
    query = dns.message.make_query("web.shop.mesh.", "A", use_edns=3, options=[dns.edns.GenericOption(10, b"12345678")])

    assert parsed(query.to_wire()).edns == 3


def test_dynamic_updates_are_read_as_far_as_their_zone():
    update = dns.message.Message()
    update.set_opcode(dns.opcode.UPDATE)
    update.question.append(dns.rrset.RRset(PLAIN.question[0].name, 1, 6))

    assert parsed(update.to_wire()).opcode() == dns.opcode.UPDATE


@pytest.mark.parametrize("section", ["answers", "authorities", "additional"])
def test_a_record_of_an_unknown_class_and_type_is_skipped_and_not_remembered(section):
    parsed(header(**{section: 2}) + QUESTION + record() + record(name=b"\xc0\x0c", data=b"\0" * 300))

    assert dns.rdata.get_rdata_class(UNKNOWN_CLASS, UNKNOWN_TYPE, use_generic=False) is None


@pytest.mark.parametrize(
    "wire",
    [
        b"short",
        header(questions=0),
        header(questions=2) + QUESTION + QUESTION,
        header() + QUESTION[:-1],
        header() + QUESTION + b"x",
        header(additional=1) + QUESTION,
        header(additional=1) + QUESTION + record()[:-1],
        header(additional=1) + QUESTION + record(data=b"ab")[:-1],
        header(additional=1) + QUESTION + record(name=b"\x40a\0"),
        header(additional=2) + QUESTION + OPT + OPT,
        header(answers=1) + QUESTION + OPT,
        header(additional=1) + QUESTION + record(kind=41, name=b"\1a\0"),
        header(additional=1) + QUESTION + record(kind=250, of_class=255, data=bytes(30)),
    ],
)
def test_what_is_no_query_is_an_error(wire):
    with pytest.raises(dns.exception.DNSException):
        parsed(wire)


@given(cut=integers(0, 60), put=sampled_from((b"", b"\0", b"\xc0", b"\xff", b"\x29")), junk=binary(max_size=20))
def test_whatever_comes_there_is_a_query_or_an_error(cut, put, junk):
    wire = header(additional=2) + QUESTION + OPT + record(data=b"abc")

    try:
        found = parsed(wire[:cut] + put + wire[cut + 1 :] + junk)
    except dns.exception.DNSException:
        return
    assert len(found.question) == 1
