"""The commands `tcp` and `udp`: connections and sessions that carry no HTTP."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from loadtest import report
from loadtest.errors import FaultyError
from loadtest.options import OWN_README, RESULTS, Out, PeerBin, chosen, measuring, refuse
from loadtest.peer import NODEPROXY
from loadtest.record_file import load, save
from loadtest.relay import datagrams, datagrams_report
from loadtest.relay import report as relay_report
from loadtest.relay import run as relay_run
from loadtest.relay.idle import IDLE
from loadtest.relay.peers import TCP, UDP, names_of, optional_names_of
from loadtest.relay.record import TcpRecord, UdpRecord, faults
from loadtest.relay.work import WORKS

WORK_NAMES = (*(work.name for work in WORKS), IDLE)
TCP_NAMES = (*names_of(TCP), *optional_names_of(TCP))


def measure_tcp(
    quick: Annotated[bool, typer.Option(help="One short round: noisy.")] = False,
    only: Annotated[str, typer.Option(help=f"Peers, with commas: {', '.join(TCP_NAMES)}.")] = ",".join(names_of(TCP)),
    scenario: Annotated[str, typer.Option(help=f"Scenarios, with commas: {', '.join(WORK_NAMES)}.")] = ",".join(
        WORK_NAMES
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, without --quick.")] = 5,
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure TCP connections beside HAProxy and Envoy: round trips, bulk, both at once, new and idle connections."""
    plan = relay_run.QUICK if quick else replace(relay_run.FULL, rounds=rounds)
    peers, works = chosen(only, TCP_NAMES), chosen(scenario, WORK_NAMES)
    seen = relay_run.run(plan, peers, works, measuring(peer_bin), typer.echo)
    refuse(faults(seen.runs), seen, out)
    save(seen, out / "tcp.json")
    render_tcp(seen, out)
    typer.echo(relay_report.summary(seen))


def render_saved(out: Path) -> None:
    """Render tcp.json and udp.json again, where they are."""
    if (out / "tcp.json").exists():
        render_tcp(load(out / "tcp.json", TcpRecord), out)
    if (out / "udp.json").exists():
        render_udp(load(out / "udp.json", UdpRecord), out)


def render_tcp(seen: TcpRecord, out: Path) -> None:
    """Render a record of TCP as Markdown, and into its README if it was no quick run."""
    (out / "tcp.md").write_text(relay_report.markdown(seen))
    if not seen.quick:
        report.publish(relay_report.summary(seen), OWN_README, report.TCP)


def render_udp(seen: UdpRecord, out: Path) -> None:
    """Render a record of UDP as Markdown, and into its README if it was no quick run."""
    (out / "udp.md").write_text(datagrams_report.markdown(seen))
    if not seen.quick:
        report.publish(datagrams_report.summary(seen), OWN_README, report.UDP)


def measure_udp(
    quick: Annotated[bool, typer.Option(help="One round of few queries.")] = False,
    only: Annotated[str, typer.Option(help=f"Peers, with commas: {', '.join(names_of(UDP))}.")] = ",".join(
        names_of(UDP)
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, without --quick.")] = 3,
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure DNS queries to a DNS server behind each peer: losses, latency, CPU, and memory of sessions."""
    plan = datagrams.QUICK if quick else replace(datagrams.FULL, rounds=rounds)
    seen = datagrams.run(plan, chosen(only, names_of(UDP)), measuring(peer_bin), typer.echo)
    save(seen, out / "udp.json")
    render_udp(seen, out)
    typer.echo(datagrams_report.summary(seen))
    if lost := faults(tuple(run for run in seen.runs if run.peer == NODEPROXY)):
        raise FaultyError("\n".join(lost))
