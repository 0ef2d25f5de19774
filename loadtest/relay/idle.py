"""Idle connections: what each adds to a relay's memory, and what they cost while nothing is sent."""

import socket
import time
from contextlib import ExitStack

from loadtest.errors import BenchmarkError
from loadtest.generator import ANSWER_S, settle
from loadtest.procstat import pss_bytes_of, running_s_of, slab_bytes, tcp_sockets
from loadtest.relay.peers import Relay, connected, connections_most
from loadtest.relay.record import Idle
from loadtest.run import Say

IDLE = "idle"
MESSAGE = b"echo"
CLOSE_S = 20.0


def idle(relay: Relay, idle_s: float, say: Say) -> Idle:
    """Hold as many connections as may be relayed.

    Taken before any load, so that no buffer of another work counts. Raises: BenchmarkError when one does not work.
    """
    count = connections_most()
    settle()
    sockets = tcp_sockets()
    kernel, family, worker = slab_bytes(), pss_bytes_of(relay.all), pss_bytes_of(relay.worker)
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(relay, "echo", ANSWER_S)) for _ in range(count)]
        settle()
        worker_bytes = pss_bytes_of(relay.worker) - worker
        for connection in connections:
            _ask(connection, relay)
        settle()
        used, kernel = (pss_bytes_of(relay.worker) - worker, pss_bytes_of(relay.all) - family), slab_bytes() - kernel
        busy = running_s_of(relay.worker), running_s_of(relay.all)
        time.sleep(idle_s if relay.all else 0.0)
        busy = running_s_of(relay.worker) - busy[0], running_s_of(relay.all) - busy[1]
    _wait_for_close(sockets)
    say(f"idle, {relay.name}: {used[0] / count / 1024:.1f} KiB for each of {count:,} connections")
    return Idle(relay.name, count, idle_s, worker_bytes, *used, kernel, *busy)


def _wait_for_close(sockets: int) -> None:
    """Until the relay and the endpoint have closed theirs too, so that they do not count for the next relay."""
    give_up = time.monotonic() + CLOSE_S
    while tcp_sockets() > sockets + 100 and time.monotonic() < give_up:
        time.sleep(0.1)
    settle()


def _ask(connection: socket.socket, relay: Relay) -> None:
    connection.sendall(MESSAGE)
    if connection.recv(len(MESSAGE), socket.MSG_WAITALL) != MESSAGE:
        raise BenchmarkError(f"an idle connection of {relay.name} does not return what is sent")
