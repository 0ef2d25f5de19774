"""The load of HTTP/2 and gRPC: h2load and `grpc_calls.py` for the closed loop, and which peers can take part."""

import re

import msgspec

from loadtest.errors import BenchmarkError
from loadtest.generator import ANSWER_S, ClosedLoop, closed_loop, last_line_of, output_of
from loadtest.peer import HTTP1, HTTP2, Running
from loadtest.record import Missing
from loadtest.scenarios import Scenario
from loadtest.toolbox import HERE, Toolbox

TRY_S = 1  # of load, to see whether a peer answers at all


def loop_of(toolbox: Toolbox, peer: Running, scenario: Scenario, duration_s: int) -> ClosedLoop:
    """The closed loop of the scenario against a peer that can take part.

    Raises: BenchmarkError when no request is answered.
    """
    if scenario.protocol == HTTP1:
        return closed_loop(toolbox, peer.port, scenario, duration_s, peer.host)
    loop = h2load_loop if scenario.protocol == HTTP2 else grpc_loop
    return loop(toolbox, peer.http2_ports[scenario.host], scenario, duration_s)


def able(
    peers: tuple[Running, ...], scenario: Scenario, toolbox: Toolbox
) -> tuple[tuple[Running, ...], tuple[Missing, ...]]:
    """The peers that serve the scenario; and those that should, but do not answer."""
    if scenario.protocol == HTTP1:
        return peers, ()
    offered = tuple(peer for peer in peers if scenario.host in peer.http2_ports)
    missing: dict[str, Missing] = {}
    for peer in offered:
        try:
            seen = loop_of(toolbox, peer, scenario, TRY_S)
            reason = ", ".join(f"{count} x {kind}" for kind, count in seen.errors.items() if count)
        except BenchmarkError as error:
            reason = str(error)
        if reason:
            missing[peer.name] = Missing(f"{peer.name}, {scenario.name}", reason)
    return tuple(peer for peer in offered if peer.name not in missing), tuple(missing.values())


def h2load_loop(toolbox: Toolbox, port: int, scenario: Scenario, duration_s: int) -> ClosedLoop:
    """Each stream asks again as soon as it is answered.

    Raises: BenchmarkError when no request is answered.
    """
    return parse_h2load(output_of(h2load(toolbox, port, scenario, duration_s), b"", duration_s).decode(), duration_s)


def h2load(toolbox: Toolbox, port: int, scenario: Scenario, duration_s: int) -> tuple[str, ...]:
    """The command for the scenario.

    It has no time limits for connections: with them h2load 1.52 may abort after a connection has ended.
    """
    fields = [f"--header={name}: {value}" for name, value in ((":authority", scenario.host), *scenario.fields)]
    return (
        *(toolbox.find("h2load"), "--threads=1", f"--clients={scenario.connections}"),
        *(f"--max-concurrent-streams={scenario.streams}", f"--duration={duration_s}"),
        *(*fields, f"http://127.0.0.1:{port}{scenario.path}"),
    )


def parse_h2load(report: str, duration_s: float) -> ClosedLoop:
    """What h2load reports. One request may count in several kinds of errors.

    Raises: BenchmarkError when no request is answered, or the report has another shape.
    """
    requests = re.search(r"^requests: .* (\d+) done, .* (\d+) failed, (\d+) errored, (\d+) timeout$", report, re.M)
    statuses = re.search(r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", report, re.M)
    received = re.search(r"^traffic: .*? \((\d+)\) total", report, re.M)
    if not requests or not statuses or not received:
        raise BenchmarkError(f"h2load does not report what it counted:\n{report.strip()}")
    if requests[1] == "0":
        raise BenchmarkError(f"no request over HTTP/2 is answered; h2load reports: {requests[0]}")
    done, failed, errored, late = map(int, requests.groups())
    return ClosedLoop(
        duration_s=duration_s,
        requests=done,
        received_bytes=int(received[1]),
        p50_s=None,
        p99_s=None,
        errors={"failed": failed, "errored": errored, "timeout": late, "status": sum(map(int, statuses.groups()))},
    )


def grpc_loop(toolbox: Toolbox, port: int, scenario: Scenario, duration_s: int) -> ClosedLoop:
    """The same with calls by grpcio.

    Raises: BenchmarkError when no call is answered.
    """
    work = {
        "port": port,
        "authority": scenario.host,
        "connections": scenario.connections,
        "streams": scenario.streams,
        "duration_s": duration_s,
        "metadata": scenario.fields,
    }
    command = (str(toolbox.python()), str(HERE / "grpc_calls.py"))
    seen = msgspec.json.decode(last_line_of(command, msgspec.json.encode(work), duration_s + ANSWER_S), type=ClosedLoop)
    if not seen.requests:
        raise BenchmarkError(f"no gRPC call is answered: {seen.errors}")
    return seen
