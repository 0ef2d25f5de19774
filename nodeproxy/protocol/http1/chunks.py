"""Decodes a run of plain chunks in one call.

A plain chunk has been received completely and has no extension. Any other chunk ends the run and is left to
`framing.Chunked`, which alone rejects input. `plain_chunks` in twin.c is the compiled twin.
"""

import re

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15}+)\r\n")


def plain_chunks(data: bytes, at: int, most: int) -> tuple[bytes, int, int]:
    """The data of the plain chunks that begin at `at`, at most `most`; the offset of their end; their number."""
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
