"""`scan_request` and `scan_response` as the data path calls them: the compiled twin where it was built, else Python."""

try:
    from nodeproxy.protocol.twin import scan_request, scan_response

    COMPILED = True
except ImportError:  # no compiler where this was installed: the same heads, more slowly
    from nodeproxy.protocol.head import scan_request, scan_response

    COMPILED = False

__all__ = ["COMPILED", "scan_request", "scan_response"]
