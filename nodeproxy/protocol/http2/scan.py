"""Chooses the implementation that reads and writes frames: the compiled twin if it was built, else Python."""

try:
    from nodeproxy.protocol.http2.twin import Table, read_plain, request_headers, response_headers, trailers_headers

    COMPILED = True
except ImportError:  # installed without a compiler: the same results, slower
    from nodeproxy.protocol.http2.plain import Table, read_plain
    from nodeproxy.protocol.http2.sending import request_headers, response_headers, trailers_headers

    COMPILED = False

__all__ = ["COMPILED", "Table", "read_plain", "request_headers", "response_headers", "trailers_headers"]
