"""The tour's TCP service: greets each client first, as mail servers and MySQL do, and returns lines in capitals."""

import socket
import socketserver
from contextlib import AbstractContextManager

from nodeproxy.demo.threaded import serving

NAME = "lines-a"
ADDRESS = ("127.77.0.15", 7000)
"""Of its service: the mesh address that belongs to the ClusterIP in shop.yaml, and the port there."""
LIMIT_S = 5.0


class Lines(socketserver.StreamRequestHandler):
    """One client."""

    timeout = 60

    def handle(self) -> None:
        """Greet, then answer line by line until the client closes."""
        self.wfile.write(f"220 {NAME} ready\r\n".encode())
        while line := self.rfile.readline(1024):
            self.wfile.write(line.upper())


def running() -> AbstractContextManager[int]:
    """Runs it on a free loopback port, which is the value of the context."""
    return serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lines))


def talk(address: tuple[str, int]) -> str:
    """What a client hears that says hello at this address; the reason, if it is not reached."""
    try:
        with socket.create_connection(address, LIMIT_S) as client, client.makefile("rwb", buffering=0) as stream:
            greeting = stream.readline().decode().strip()
            stream.write(b"hello\r\n")
            return f"{greeting!r}, then {stream.readline().decode().strip()!r}"
    except OSError as error:
        return f"not reached ({error}); does another mesh on this machine have that address?"
