"""What the data path calls to read heads and chunks: the compiled twin where it was built, else Python."""

try:
    from nodeproxy.protocol.http1.twin import plain_chunks, scan_request, scan_response

    COMPILED = True
except ImportError:  # no compiler where this was installed: the same results, more slowly
    from nodeproxy.protocol.http1.chunks import plain_chunks
    from nodeproxy.protocol.http1.request_head import scan_request
    from nodeproxy.protocol.http1.response_head import scan_response

    COMPILED = False

__all__ = ["COMPILED", "plain_chunks", "scan_request", "scan_response"]
