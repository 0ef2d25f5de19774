"""Chooses the implementation that reads heads and chunks: the compiled twin if it was built, else Python."""

try:
    from nodeproxy.protocol.http1.twin import plain_chunks, scan_request, scan_response

    COMPILED = True
except ImportError:  # installed without a compiler: the same results, slower
    from nodeproxy.protocol.http1.chunks import plain_chunks
    from nodeproxy.protocol.http1.request_head import scan_request
    from nodeproxy.protocol.http1.response_head import scan_response

    COMPILED = False

__all__ = ["COMPILED", "plain_chunks", "scan_request", "scan_response"]
