"""The static table of HPACK. Source: RFC 7541, appendix A."""

Pair = tuple[bytes, bytes]

ENTRIES: tuple[Pair, ...] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    *((name, b"") for name in (
        b"accept-language", b"accept-ranges", b"accept", b"access-control-allow-origin", b"age", b"allow",
        b"authorization", b"cache-control", b"content-disposition", b"content-encoding", b"content-language",
        b"content-length", b"content-location", b"content-range", b"content-type", b"cookie", b"date", b"etag",
        b"expect", b"expires", b"from", b"host", b"if-match", b"if-modified-since", b"if-none-match", b"if-range",
        b"if-unmodified-since", b"last-modified", b"link", b"location", b"max-forwards", b"proxy-authenticate",
        b"proxy-authorization", b"range", b"referer", b"refresh", b"retry-after", b"server", b"set-cookie",
        b"strict-transport-security", b"transfer-encoding", b"user-agent", b"vary", b"via", b"www-authenticate",
    )),
)  # fmt: skip
"""Entry 1 of the RFC is the first one here."""

NAMES: dict[bytes, int] = {name: index for index, (name, _) in reversed(tuple(enumerate(ENTRIES, 1)))}
"""The lowest index of each name."""
