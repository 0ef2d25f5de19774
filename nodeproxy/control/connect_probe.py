"""The probe of a port that carries no HTTP: it is healthy when it accepts a connection."""

import socket

import trio

from nodeproxy.io.capacity import comes_of_shortage


async def connects(name: str, first: bytes, timeout_s: float) -> bool | None:
    """Whether the endpoint `name`, an IP address and a port, accepts a connection in time, and then `first`.

    Returns None if that could not be tried for lack of a descriptor.
    """
    host, _, port = name.rpartition(":")
    host = host.strip("[]")
    try:
        sock = trio.socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        return None if comes_of_shortage(error) else False
    with sock, trio.move_on_after(timeout_s):
        try:
            await sock.connect((host, int(port)))
            if first:
                await sock.send(first)
        except OSError:
            return False
        return True
    return False
