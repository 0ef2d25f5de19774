"""Runs of plain chunks, cut out of what was received in one go.

A plain chunk is here as a whole and has no extension. Whatever is in doubt ends the run and is left to
`framing.Chunked`, which alone refuses. This is the Python twin of `plain_chunks` in twin.c.
"""

import re

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)\r\n")


def plain_chunks(data: bytes, at: int, most: int) -> tuple[bytes, int, int]:
    """The data of the plain chunks from `at` on, `most` of them at most; where they end; how many they are."""
    pieces: list[bytes] = []
    line = _SIZE_LINE.match(data, at)
    while line is not None and len(pieces) < most:
        begin = line.end()
        end = begin + int(line[1], 16)
        if end == begin or data[end : end + 2] != b"\r\n":
            break
        pieces.append(data[begin:end])
        at = end + 2
        line = _SIZE_LINE.match(data, at)
    return b"".join(pieces), at, len(pieces)
