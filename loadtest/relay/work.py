"""The kinds of work for a relay of TCP, and the load of each: `tcpload.c`."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from loadtest.errors import BenchmarkError
from loadtest.generator import PATIENCE_S, last_line_of
from loadtest.machine import FIRST, GENERATOR_CORE, pinned
from loadtest.peer import NO_PROXY
from loadtest.relay.peers import SOCKS_ANSWER_BYTES, Behind, Relay, has_priority
from loadtest.toolbox import Toolbox

BULK_STREAMS = 8
PACED_PER_S = 250  # so few that one is back before the next is due, unless the relay takes 4 ms for it
LEAD_S = 0.2  # of the bulk before the small messages beside it, and after them


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work. `load` and `connections` are tcpload's WORK and CONNECTIONS."""

    name: str
    title: str
    load: str
    connections: int
    service: str = "echo"
    beside_bulk: bool = False

    @property
    def per_byte(self) -> bool:
        """Whether what counts is the bytes moved."""
        return self.service == "bulk"


ROUND_TRIP = Work("round-trip", "Round trips of 100 bytes over 32 connections", "round-trip", 32)
DOWNLOAD = Work("download", f"Bytes to the client, {BULK_STREAMS} connections", "download", BULK_STREAMS, "bulk")
UPLOAD = Work("upload", f"Bytes to the server, {BULK_STREAMS} connections", "upload", BULK_STREAMS, "bulk")
BESIDE = Work("beside-bulk", f"Round trips beside {BULK_STREAMS} downloads", "paced", PACED_PER_S, beside_bulk=True)
CONNECT = Work("connect", "New connections with one round trip, 16 at a time", "connect", 16)
WORKS = (ROUND_TRIP, DOWNLOAD, UPLOAD, BESIDE, CONNECT)
VERIFIED = (Work("verify", "", "verify-download", 2, "bulk"), Work("verify", "", "verify-upload", 2, "bulk"))
"""Bytes are compared with what they should be, at the client and at the server: before bytes that only count."""


class Counted(msgspec.Struct, frozen=True):
    """What tcpload or udpload counted: round trips, connections or queries, and bytes in one direction."""

    duration_s: float
    units: int
    bytes: int
    p50_s: float
    p99_s: float
    errors: dict[str, int]


def load_of(toolbox: Toolbox, relay: Relay, work: Work, behind: Behind, seconds: float) -> Counted:
    """The work, for so long. Beside bulk, `bytes` are those of the bulk, and the small messages' ends have priority.

    Raises: BenchmarkError when the generator fails.
    """
    command = _command(toolbox, relay, work, seconds)
    if not work.beside_bulk:
        return _counted(last_line_of(command, b"", seconds))
    bulk = _command(toolbox, relay, DOWNLOAD, seconds + 2 * LEAD_S)
    with subprocess.Popen(pinned(GENERATOR_CORE, bulk), stdout=subprocess.PIPE) as beside:
        try:
            time.sleep(LEAD_S)
            seen = _small_messages(command, behind, seconds)
            text = beside.communicate(timeout=seconds + PATIENCE_S)[0]
        finally:
            beside.kill()  # it has ended when all went well
    if beside.returncode:
        raise BenchmarkError(f"tcpload beside {work.name} ended with status {beside.returncode}")
    moved = _counted(text)
    errors = {kind: count + moved.errors[kind] for kind, count in seen.errors.items()}
    return msgspec.structs.replace(seen, bytes=moved.bytes, errors=errors)


def check(toolbox: Toolbox, relay: Relay, behind: Behind) -> None:
    """Let the relay carry bytes that are compared.

    Raises: BenchmarkError when it loses or changes one.
    """
    for work in VERIFIED:
        seen = load_of(toolbox, relay, work, behind, LEAD_S)
        if any(seen.errors.values()) or not seen.bytes:
            who = "the endpoint" if relay.name == NO_PROXY else relay.name
            raise BenchmarkError(f"{who} does not carry bytes as they are ({work.load}): {seen}")


def _small_messages(command: tuple[str, ...], behind: Behind, seconds: float) -> Counted:
    if not has_priority():
        return _counted(last_line_of(command, b"", seconds))
    with _first(behind.pids["echo"]):
        return _counted(last_line_of((*FIRST, *command), b"", seconds))


@contextmanager
def _first(pid: int) -> Iterator[None]:
    """This process before all others of its core, so that messages wait for the relay and not for the generator."""
    os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def _command(toolbox: Toolbox, relay: Relay, work: Work, seconds: float) -> tuple[str, ...]:
    host, port = relay.at[work.service]
    command = (toolbox.compiled("tcpload"), host, str(port), work.load, str(work.connections), str(seconds))
    preface = relay.preface.get(work.service)
    return (*command, preface.hex(), str(SOCKS_ANSWER_BYTES)) if preface else command


def _counted(line: bytes) -> Counted:
    return msgspec.json.decode(line, type=Counted)
