"""The tables of HTTP/2 and gRPC: what a stream costs in each scenario, and how nodeproxy compares with its goals."""

from collections.abc import Iterator

from loadtest.cells import FAMILY, NOTHING, Row, busy, micros, millis, peer_lines, ratio_to, table
from loadtest.peer import NO_PROXY, NODEPROXY
from loadtest.record import Record
from loadtest.scenarios import EVERY, STREAMED, UNARY, Scenario
from loadtest.summary import cost, peers_of

GOALS = {"haproxy": 1.9, "envoy": 0.7, "traefik": 0.35}
"""The highest ratio of nodeproxy to a peer, in each of the scenarios of HTTP/2."""
SHORT = {STREAMED[0]: "h2 to h2, 4x8", STREAMED[1]: "32x1", STREAMED[2]: "h2 to h1, 4x8", STREAMED[3]: "32x1"}


def sections(record: Record) -> Iterator[str]:
    """The short table, then one for each scenario that was measured."""
    if short := short_table(record):
        yield from ("## HTTP/2 and gRPC", short)
    for scenario in EVERY[-len(STREAMED) - 1 :]:
        if any(run.scenario == scenario.name for run in record.saturated):
            yield from (f"### {scenario.title}", table(*_rows(record, scenario)))


def short_table(record: Record) -> str:
    """A line for each proxy, with CPU µs per request or call; empty when none of these scenarios was measured."""
    scenarios = (*STREAMED, UNARY)
    peers = [peer for peer in peers_of(record) if peer != NO_PROXY and any(cost(record, it, peer) for it in scenarios)]
    if not peers:
        return ""
    head = (
        "",
        *(f"CPU µs per request, {text}" if each == STREAMED[0] else text for each, text in SHORT.items()),
        "per unary gRPC call",
        "nodeproxy, ratio to it in HTTP/2",
        "goal: at most",
    )
    rows = [
        (
            peer,
            *(micros(cost(record, each, peer)) for each in scenarios),
            _ratios(record, peer),
            f"{GOALS[peer]:.2f}" if peer in GOALS else NOTHING,
        )
        for peer in peers
    ]
    return table(head, rows)


def _ratios(record: Record, peer: str) -> str:
    """The lowest and the highest over the scenarios."""
    ratios = [ratio_to(cost(record, each, NODEPROXY), cost(record, each, peer)) for each in STREAMED]
    known = sorted((ratio for ratio in ratios if ratio != NOTHING), key=float)
    return "-".join(dict.fromkeys((known[0], known[-1]))) if known else NOTHING


def _rows(record: Record, scenario: Scenario) -> tuple[Row, list[Row]]:
    head: Row = ("", "per s", "busy", "CPU µs", "user", "system", "range", "nodeproxy, ratio to it", "p50 ms", "p99 ms")
    rows: list[Row] = []
    for peer, whole in peer_lines(record):
        if (seen := cost(record, scenario, peer)) is None:
            continue
        cpu = seen.all if whole else seen.worker
        parts = (f"{cpu.user_s * 1e6:.1f}", f"{cpu.system_s * 1e6:.1f}") if cpu.total_s else (NOTHING,) * 2
        spread = f"{seen.lowest_s * 1e6:.1f}-{seen.highest_s * 1e6:.1f}" if cpu.total_s and not whole else NOTHING
        measured = (FAMILY, "", "") if whole else (peer, f"{seen.per_s:,.0f}", busy(seen))
        ratio = ratio_to(cost(record, scenario, NODEPROXY), None if whole else seen)
        times = ("", "") if whole else (millis(seen.p50_s), millis(seen.p99_s))
        rows.append((*measured, micros(seen, whole), *parts, spread, ratio, *times))
    return head, rows
