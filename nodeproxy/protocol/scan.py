"""What the data path calls to read heads and chunks: the compiled twin where it was built, else Python."""

try:
    from nodeproxy.protocol.twin import plain_chunks, scan_request, scan_response

    COMPILED = True
except ImportError:  # no compiler where this was installed: the same results, more slowly
    from nodeproxy.protocol.chunks import plain_chunks
    from nodeproxy.protocol.head import scan_request, scan_response

    COMPILED = False

__all__ = ["COMPILED", "plain_chunks", "scan_request", "scan_response"]
