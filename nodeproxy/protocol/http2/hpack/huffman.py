"""The Huffman code of HPACK: decoding only, for nothing is sent in it. Source: RFC 7541, 5.2 and appendix B."""

from functools import cache

from nodeproxy.protocol.http2.codes import COMPRESSION_ERROR
from nodeproxy.protocol.http2.errors import ConnectionBroken

# The code is canonical: ordered by length and then by symbol, codes count up from zero. So the symbols of each length
# (in bits) define it. EOS, the last one, is not here: its 30 ones must not be received.
SYMBOLS = (
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b'!"()?'),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\x00$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
    (20, b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2"),
    (21, b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6"),
    (22, b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9"),
    (23, b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf"
         b"\xc5\xe7\xef"),
    (24, b"\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed"),
    (25, b"\xc7\xcf\xea\xeb"),
    (26, b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff"),
    (27, b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe"),
    (28, b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
         b"\x7f\xdc\xf9"),
    (30, b"\n\r\x16"),
)  # fmt: skip
_PADDING_MOST = 7  # bits

Steps = list[tuple[int, int]]


def decoded(data: bytes) -> bytes:
    """The string that `data` encodes.

    Raises:
        ConnectionBroken: it contains EOS, or ends in anything but less than eight ones behind a symbol.
    """
    steps, ends = _machine()
    out = bytearray()
    state = 0
    for byte in data:
        state, symbol = steps[state | byte >> 4]
        if symbol >= 0:
            out.append(symbol)
        state, symbol = steps[state | byte & 15]
        if symbol >= 0:
            out.append(symbol)
    if state not in ends:
        raise ConnectionBroken(COMPRESSION_ERROR, "a malformed Huffman code in a field block")
    return bytes(out)


@cache  # made when first needed, in 3 ms: never where the compiled twin decodes
def _machine() -> tuple[Steps, frozenset[int]]:
    """Steps by state and nibble, and the states in which a string may end.

    A state is 16 times the number of a node of the code's tree. A step is the next state and the completed symbol, or
    -1: a nibble completes at most one. After EOS the state is one that no step leaves, and no end.
    """
    nodes = _tree()
    broken = len(nodes)
    steps = [_step(nodes, node, nibble, broken) for node in range(broken) for nibble in range(16)]
    steps += [(broken * 16, -1)] * 16
    ends, node = {0}, 0
    for _ in range(_PADDING_MOST):
        node = nodes[node][1]
        ends.add(node * 16)
    return steps, frozenset(ends)


def _step(nodes: list[list[int]], node: int, nibble: int, broken: int) -> tuple[int, int]:
    symbol = -1
    for bit in (nibble >> 3, nibble >> 2 & 1, nibble >> 1 & 1, nibble & 1):
        child = nodes[node][bit]
        if child == 0:
            return broken * 16, -1
        if child < 0:
            symbol, child = ~child, 0
        node = child
    return node * 16, symbol


def _tree() -> list[list[int]]:
    """The inner nodes, the root first: two children each. A child is a node, ~symbol for a leaf, or 0 for EOS."""
    nodes = [[0, 0]]
    code, length = 0, 0
    for bits, symbols in SYMBOLS:
        code <<= bits - length
        length = bits
        for symbol in symbols:
            node = 0
            for shift in range(bits - 1, 0, -1):
                bit = code >> shift & 1
                if not nodes[node][bit]:
                    nodes[node][bit] = len(nodes)
                    nodes.append([0, 0])
                node = nodes[node][bit]
            nodes[node][code & 1] = ~symbol
            code += 1
    return nodes
