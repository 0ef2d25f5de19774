"""HTTP/2 as another program speaks it: header blocks of any fields, valid or not, made by the library hpack."""

import hpack

from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import frames
from nodeproxy.protocol.http2.hpack.static_table import ENTRIES
from nodeproxy.protocol.http2.reader import FrameReader

LIMITS = HeadLimits()
STATIC = len(ENTRIES)
GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"web.shop.mesh"))
POST = ((b":method", b"POST"), *GET[1:])
OK = ((b":status", b"200"),)


def block(*pairs, huffman=False):
    """A header block that needs no state of its reader."""
    return hpack.Encoder().encode(pairs, huffman=huffman)


def headers(*pairs, ended=True, stream=1):
    """HEADERS with these fields."""
    return frames.header_frames(block(*pairs), stream, ended)


def message(implementation, receives, *pairs, ended=True, limits=LIMITS):
    """What a new reader makes of HEADERS with these fields: the payload of the frame."""
    reader = FrameReader(receives, limits, implementation)
    (frame,) = reader.feed(headers(*pairs, ended=ended))
    assert reader.broken is None
    return frame.payload


def entries(table):
    """The dynamic entries of a table, from the newest."""
    return [table.get(STATIC + 1 + at) for at in range(len(table))]


def seen(frame):
    """A frame, flat: comparable with the same one of a different implementation."""
    payload = frame.payload
    if hasattr(payload, "fields"):
        kind = type(payload)
        slots = getattr(kind, "__slots__", None) or kind.__mypyc_attrs__  # of a compiled class
        slots = sorted(name for name in slots if name not in ("fields", "__dict__"))
        payload = (type(payload), payload.fields.block(), [getattr(payload, name) for name in slots])
    elif isinstance(payload, Exception):
        payload = (type(payload), str(payload), getattr(payload, "code", None))
    return (*frame[:4], payload, frame.said)
