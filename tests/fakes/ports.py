"""Ports of loopback for the programs that tests start, at numbers that no other test run has.

A number that was free a moment ago can be taken before the program binds it. So these are below 32768, where the kernel
begins with ports for outgoing connections and for port 0, and each test run takes them from a block of its own.
"""

import socket
from functools import cache
from itertools import cycle

FIRST, BLOCKS, BLOCK_PORTS = 10_000, 40, 500
UNSAFE = 10_080  # Amanda's: the only one of these that browsers refuse, see "bad port" in the Fetch standard


@cache
def _ports():
    """Every second number of this test run's block, again and again."""
    for number in range(BLOCKS):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0nodeproxy-ports-{number}")  # the kernel frees the name however this process ends
        except OSError:  # it is another's
            lock.close()
        else:
            lock.detach()  # open until then
            return cycle(range(FIRST + number * BLOCK_PORTS, FIRST + (number + 1) * BLOCK_PORTS, 2))
    raise AssertionError(f"{BLOCKS} test runs on this machine already")


def free_port():
    """A port on which nothing listens, nor on the next one: two workers serve admin on neighbours."""
    return next(port for port in _ports() if port != UNSAFE and _is_free(port) and _is_free(port + 1))


def _is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
