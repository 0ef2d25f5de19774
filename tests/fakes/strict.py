"""A strict reader of what an HTTP/1.1 endpoint has received: the judge of tests that send hostile messages."""

import re

REQUEST = re.compile(
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.1\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n"
)
CHUNKS = re.compile(rb"(?:([1-9a-f][0-9a-f]*)\r\n)")


def requests_in(data):
    """Splits what an endpoint received, as a strict reader; the last one may be unfinished."""
    found = []
    while data:
        head = REQUEST.match(data)
        assert head is not None, f"not a request: {data[:200]!r}"
        fields = [line.lower() for line in head[0].split(b"\r\n")[1:-2]]
        lengths = [line.partition(b":")[2].strip() for line in fields if line.startswith(b"content-length:")]
        codings = [line for line in fields if line.startswith(b"transfer-encoding:")]
        assert len(lengths) + len(codings) <= 1
        assert sum(line.startswith(b"host:") for line in fields) <= 1
        assert b"x-forwarded-for: 6.6.6.6" not in fields
        data = data[head.end() :]
        found.append(head[0])
        if lengths:
            data = data[int(lengths[0]) :]
        elif codings:
            data = after_chunks(data)
    return found


def after_chunks(data):
    while (size := CHUNKS.match(data)) is not None:
        end = size.end() + int(size[1], 16)
        assert data[end : end + 2] in (b"\r\n", b"\r", b"")
        data = data[end + 2 :]
    if not data:
        return b""
    assert data.startswith(b"0\r\n"), data[:100]
    end = 3 if data[3:5] == b"\r\n" else data.find(b"\r\n\r\n") + 2
    return data[end + 2 :]
