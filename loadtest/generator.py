"""The load: wrk for the closed loop, our `openloop.c` for the fixed rate, plain sockets for idle connections."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec

from loadtest.errors import BenchmarkError
from loadtest.machine import GENERATOR_CORE, pinned
from loadtest.peer import HOST, SMALL_BYTES
from loadtest.scenarios import Scenario
from loadtest.toolbox import HERE, Toolbox

PATIENCE_S = 30.0  # beyond a run's own duration
ANSWER_S = 10.0  # a request not answered by then is an error


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """What wrk, h2load or `grpc_calls.py` counted; h2load counts no quantiles."""

    duration_s: float
    requests: int
    received_bytes: int
    p50_s: float | None
    p99_s: float | None
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """What openloop counted; its latencies count from when a request was due."""

    requests: int
    p50_s: float
    p99_s: float
    p999_s: float
    largest_s: float
    errors: dict[str, int]


def closed_loop(toolbox: Toolbox, port: int, scenario: Scenario, duration_s: int, host: str = HOST) -> ClosedLoop:
    """Each connection asks again as soon as it is answered, for `duration_s` (wrk knows whole seconds only).

    Raises: BenchmarkError when wrk cannot connect.
    """
    fields = [word for name, value in scenario.fields for word in ("-H", f"{name}: {value}")]
    command = (
        *(toolbox.find("wrk"), "-t1", f"-c{scenario.connections}", f"-d{duration_s}s", f"--timeout={ANSWER_S:.0f}s"),
        *("-s", str(HERE / "wrk.lua"), "-H", f"Host: {host}", *fields),
        f"http://127.0.0.1:{port}{scenario.path}",
    )
    return msgspec.json.decode(last_line_of(command, b"", duration_s), type=ClosedLoop)


def open_loop(toolbox: Toolbox, port: int, scenario: Scenario, rate: float, seconds: tuple[float, float]) -> OpenLoop:
    """Requests at `rate` per second: `seconds` of warming up, not measured, and of measuring.

    Raises: BenchmarkError when openloop refuses.
    """
    warmup_s, measure_s = seconds
    numbers = (port, f"{rate:.3f}", scenario.connections, warmup_s, measure_s)
    command = (toolbox.compiled("openloop"), *map(str, numbers), "fresh" if scenario.fresh else "keep")
    return msgspec.json.decode(last_line_of(command, scenario.head(), warmup_s + measure_s), type=OpenLoop)


def last_line_of(command: tuple[str, ...], given: bytes, duration_s: float) -> bytes:
    """The last line that a generator printed.

    Raises: BenchmarkError when it fails.
    """
    return output_of(command, given, duration_s).splitlines()[-1]


def output_of(command: tuple[str, ...], given: bytes, duration_s: float) -> bytes:
    """All that a generator printed, which is not nothing.

    Raises: BenchmarkError when it fails.
    """
    done = subprocess.run(
        pinned(GENERATOR_CORE, command), input=given, capture_output=True, check=False, timeout=duration_s + PATIENCE_S
    )
    if done.returncode or not done.stdout.strip():
        raise BenchmarkError(f"{command[0]} failed: {(done.stderr or done.stdout).decode(errors='replace')}")
    return done.stdout


@contextmanager
def idle_connections(port: int, count: int) -> Iterator[tuple[socket.socket, ...]]:
    """`count` connections to a peer that ask nothing."""
    with ExitStack() as stack:
        address = ("127.0.0.1", port)
        yield tuple(stack.enter_context(socket.create_connection(address, ANSWER_S)) for _ in range(count))


def ask_once(connections: tuple[socket.socket, ...], scenario: Scenario) -> None:
    """One request on each, one after the other.

    Raises: BenchmarkError when an answer is not the one expected.
    """
    for connection in connections:
        connection.sendall(scenario.head())
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0 or len(answer) < end + 4 + SMALL_BYTES:
            if not (more := connection.recv(16384)):
                raise BenchmarkError(f"a connection was closed in the middle of an answer: {answer!r}")
            answer += more
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"not a good answer: {answer[:200]!r}")


def settle() -> None:
    """Give a peer the time to notice what happened to its connections."""
    time.sleep(0.5)
