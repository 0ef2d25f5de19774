"""Chooses the implementation of the system calls and of `park`: the compiled twin if it was built, else Python."""

try:
    from nodeproxy.io.twin import accept, park, receive, send

    COMPILED = True
except ImportError:  # installed without a compiler: the same results, slower
    from nodeproxy.io.parking import park
    from nodeproxy.io.socket_calls import accept, receive, send

    COMPILED = False

__all__ = ["COMPILED", "accept", "park", "receive", "send"]
