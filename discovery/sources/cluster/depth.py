"""Cuts JSON that is nested too deeply for decoders. Pure.

An API server accepts `managedFields` ten thousand levels deep. All fields that the mesh reads are within some ten
levels, so none of them is cut.
"""

import re

DEPTH_LIMIT = 64  # a list with its items and their fields needs a dozen; decoders stop at about a thousand
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"|[\[{]|[\]}]', re.DOTALL)


def cut(text: bytes) -> bytes:
    """`text`, with null for each list and object deeper than DEPTH_LIMIT.

    Invalid JSON stays invalid.
    """
    pieces: list[bytes] = []
    depth = done_to = 0
    for token in _TOKEN.finditer(text):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth == DEPTH_LIMIT + 1:
                pieces += (text[done_to : token.start()], b"null")
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == DEPTH_LIMIT:
                done_to = token.end()
    return b"".join((*pieces, text[done_to:] if depth <= DEPTH_LIMIT else b""))
