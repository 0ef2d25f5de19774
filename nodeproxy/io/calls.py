"""Chooses the implementation of `receive` and `send`: the compiled twin if it was built, else Python."""

try:
    from nodeproxy.io.twin import receive, send

    COMPILED = True
except ImportError:  # installed without a compiler: the same results, slower
    from nodeproxy.io.socket_calls import receive, send

    COMPILED = False

__all__ = ["COMPILED", "receive", "send"]
