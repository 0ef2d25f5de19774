"""What an HTTP/2 client could send: frames around header blocks that are valid HPACK, whatever fields are in them."""

import struct
from random import Random

import hpack

from nodeproxy.protocol.http2 import codes

AUTHORITY = (b":authority", b"web.shop.mesh")
METHODS = (b"GET", b"GET", b"POST", b"HEAD", b"CONNECT", b"OPTIONS")
FURTHER = (
    (b"content-length", b"5"), (b"content-length", b"-1"), (b"te", b"trailers"), (b"te", b"gzip"), (b"host", b"b"),
    (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"connection", b"close"), (b"transfer-encoding", b"chunked"),
    (b":protocol", b"websocket"), (b"sec-websocket-version", b"13"), (b"content-type", b"application/grpc"),
    (b"grpc-timeout", b"1S"), (b"expect", b"100-continue"), (b"x-a", b"1" * 50), (b"X-A", b"1"), (b"x a", b"1"),
    (b"", b"1"), (b"x-b", b"1\r\nx-c: 2"), (b"x-d", b"\0"), (b"x-e", b" 1 "), (b"x-f", b"\xff"), (b"x-g", b""),
    (b":status", b"200"), AUTHORITY, (b"x-mesh-error", b"1"), (b"max-forwards", b"0"),
)  # fmt: skip
VALUES = (
    b"",
    b"*",
    b"/",
    b"//x",
    b"/\xff",
    b"/ x",
    b"http",
    b"https",
    b"web.shop.mesh:80",
    b"user@web.shop.mesh",
    b"\r\n",
)
SETTINGS = (
    (codes.HEADER_TABLE_SIZE, 0), (codes.HEADER_TABLE_SIZE, 2**32 - 1), (codes.ENABLE_PUSH, 1), (codes.ENABLE_PUSH, 2),
    (codes.MAX_CONCURRENT_STREAMS, 0), (codes.INITIAL_WINDOW_SIZE, 0), (codes.INITIAL_WINDOW_SIZE, 1),
    (codes.INITIAL_WINDOW_SIZE, 2**31 - 1), (codes.INITIAL_WINDOW_SIZE, 2**31), (99, 1),
)  # fmt: skip
INCREMENTS = (1, 1, 65_535, 2**31 - 1, 0)
WRONG = 0.04  # of frames: most violations end their connection, and nothing behind them is looked at


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, whether it is allowed or not."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class Sender:
    """Makes the bytes of one connection, as `chance` decides."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._encoder = hpack.Encoder()
        self._stream = -1

    def all(self) -> bytes:
        """The preface, and a few frames."""
        frames = (self._headers, self._headers, self._headers, self._data, self._data, self._other)
        made = [self._headers()]
        made += (self._chance.choice(frames)() for _ in range(self._chance.randint(0, 12)))
        return codes.PREFACE + frame(codes.SETTINGS, 0, 0) + b"".join(made)

    def block(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """A valid header block. It refers to the blocks before it."""
        if self._chance.random() < 0.1:
            self._encoder.header_table_size = self._chance.choice((0, 64, 4096))
        return self._encoder.encode(fields, huffman=self._chance.random() < 0.5)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Those of a request, of which some may be missing, doubled, of another value or at another place."""
        chance = self._chance
        further = chance.choices(FURTHER, k=chance.choice((0, 0, 0, 1, 3)))
        fields = [(b":method", chance.choice(METHODS)), (b":scheme", b"http"), (b":path", b"/a?b"), AUTHORITY, *further]
        if chance.random() < 0.2:
            at = chance.randrange(len(fields))
            name, _ = fields[at]
            fields[at : at + chance.choice((0, 1))] = chance.choice(([], [(name, chance.choice(VALUES))], [fields[-1]]))
        return fields

    def _headers(self) -> bytes:
        chance = self._chance
        trailers = chance.random() < 0.1 and self._stream > 0
        self._stream += 0 if trailers else 2
        block = self.block([(b"x-t", b"1")] if trailers else self.fields())
        flags, payload = chance.choice((codes.END_STREAM, 0)), block
        if chance.random() < 0.2:
            flags, payload = flags | codes.PADDED, b"\3" + payload + bytes(3)
        elif chance.random() < 0.1:
            flags, payload = flags | codes.PRIORITY_FLAG, chance.choice((0, 1, 3)).to_bytes(4, "big") + b"\7" + payload
        if chance.random() < 0.8:
            return frame(codes.HEADERS, flags | codes.END_HEADERS, self._stream, payload)
        cut = chance.randint(0, len(payload))
        rest = frame(codes.CONTINUATION, codes.END_HEADERS, self._stream, payload[cut:])
        return frame(codes.HEADERS, flags, self._stream, payload[:cut]) + rest

    def _data(self) -> bytes:
        chance = self._chance
        bodies = ((0, b"hello"), (1, b"hello"), (1, b""), (9, b"\2abc\0\0"), (0, b""), (0, bytes(9000)))
        flags, payload = (8, b"\xff") if chance.random() < WRONG else chance.choice(bodies)
        return frame(codes.DATA, flags, self._known(), payload)

    def _other(self) -> bytes:
        chance = self._chance
        if chance.random() < WRONG:
            return frame(chance.randint(0, 12), chance.randint(0, 255), self._known(), bytes(chance.choice((0, 4, 8))))
        name, value = chance.choice(SETTINGS)
        kind, flags, stream, payload = chance.choice((
            (codes.RST_STREAM, 0, self._known(), bytes((0, 0, 0, chance.randint(0, 13)))),
            (codes.WINDOW_UPDATE, 0, chance.choice((0, self._known())), chance.choice(INCREMENTS).to_bytes(4, "big")),
            (codes.SETTINGS, 0, 0, struct.pack("!HI", name, value)),
            (codes.SETTINGS, codes.ACK, 0, b""),
            (codes.PING, chance.choice((0, codes.ACK)), 0, bytes(8)),
            (codes.GOAWAY, 0, 0, bytes(8)),
        ))  # fmt: skip
        return frame(kind, flags, stream, payload)

    def _known(self) -> int:
        """The number of a stream, seldom of one that cannot have these frames."""
        if self._chance.random() < WRONG:
            return self._chance.choice((0, 2, self._stream + 2))
        return self._chance.choice((self._stream, self._stream, 1))
