"""JSON that is nested deeper than any decoder likes, cut to where it can be read. Pure.

An API server takes `managedFields` of its clients that are ten thousand deep. No field that the mesh reads lies deeper
than some ten levels, so that what is cut is never missed.
"""

import re

DEPTH_LIMIT = 64  # a list, its items, and the objects' own fields are a dozen; decoders stop at about a thousand
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*"|[\[{]|[\]}]', re.DOTALL)


def cut(text: bytes) -> bytes:
    """`text`, with null for each list and object that lies deeper than DEPTH_LIMIT.

    What is no JSON comes out as something else that is none.
    """
    kept: list[bytes] = []
    depth = kept_to = 0
    for token in _TOKEN.finditer(text):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth == DEPTH_LIMIT + 1:
                kept += (text[kept_to : token.start()], b"null")
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == DEPTH_LIMIT:
                kept_to = token.end()
    return b"".join((*kept, text[kept_to:] if depth <= DEPTH_LIMIT else b""))
