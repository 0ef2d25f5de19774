"""A DNS query as far as its response depends on it: the header, one question, and whether its sender has EDNS.

All other records are skipped by their lengths. For one of a class and type that it has not seen, dnspython tries to
import a module, remembers the pair for ever, and may take it for that type of another class from then on: a pod could
use up the worker's memory, and end it by asking for a record of such a type.
Source: RFC 1035, 4.1; RFC 6891, 6.1; RFC 9619 (one question).
"""

import struct

import dns.exception
import dns.message
from dns.rdatatype import RdataType

HEADER_BYTES = 12
_COUNTS = struct.Struct("!HHHH")  # of the records of each section, behind id and flags
_QUESTION = struct.Struct("!HH")  # behind its name
_RECORD = struct.Struct("!HHIH")  # behind its name: type, class, TTL, length; of OPT class and TTL are size and flags
_POINTER = 0xC0


def parsed(received: bytes) -> dns.message.Message:
    """The query in `received`, without the records behind its question.

    Raises:
        dns.exception.DNSException: it is no message with one question, or signed.
    """
    if len(received) < HEADER_BYTES:
        raise dns.message.ShortHeader
    questions, *others = _COUNTS.unpack_from(received, 4)
    if questions != 1:  # asked here: thousands of names take seconds
        raise dns.exception.FormError
    query = dns.message.from_wire(received, question_only=True)
    try:
        _read_records(received, sum(others), sum(others[:2]), query)
    except (IndexError, struct.error) as error:  # it ends within a record
        raise dns.exception.FormError from error
    return query


def _read_records(received: bytes, records: int, before_additional: int, query: dns.message.Message) -> None:
    at = _after_name(received, HEADER_BYTES) + _QUESTION.size
    for index in range(records):
        unnamed = not received[at]
        at = _after_name(received, at)
        kind, payload_bytes, flags, size = _RECORD.unpack_from(received, at)
        at += _RECORD.size + size
        if kind == RdataType.TSIG:
            raise dns.message.UnknownTSIGKey
        if kind == RdataType.OPT:
            if not unnamed or index < before_additional or query.edns >= 0:
                raise dns.exception.FormError
            query.use_edns(flags >> 16 & 0xFF, flags & 0xFFFF, payload_bytes)
    if at != len(received):
        raise dns.message.TrailingJunk


def _after_name(received: bytes, at: int) -> int:
    """Where the name ends that begins at `at`. What it points to is not looked at."""
    while length := received[at]:
        if length & _POINTER == _POINTER:
            return at + 2
        if length & _POINTER:
            raise dns.exception.FormError
        at += 1 + length
    return at + 1
