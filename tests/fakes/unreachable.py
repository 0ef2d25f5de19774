"""An address that takes no connection and refuses none, as behind a network policy that drops packets."""

import socket
from contextlib import contextmanager


@contextmanager
def dropping():
    """The port of a listener whose queue is full: the kernel drops every further SYN."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port, waiting = listener.getsockname()[1], []
    try:
        while len(waiting) < 16:
            sock = socket.socket()
            waiting.append(sock)
            sock.settimeout(0.2)
            try:
                sock.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        yield port
    finally:
        for sock in (listener, *waiting):
            sock.close()
