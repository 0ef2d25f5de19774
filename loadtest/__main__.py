"""The benchmark's command line: peers, run, report, profile, and the other measurements of README.md."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from loadtest import growth, hotspots, record, report, seeing, soak
from loadtest.builds import environment_of
from loadtest.cluster import run as cluster
from loadtest.cluster.record import markdown
from loadtest.cluster.world import inside_own_network
from loadtest.errors import BenchmarkError, FaultyError, NotInstalledError
from loadtest.peer import NAMES, NODEPROXY
from loadtest.policies import record as policy_record
from loadtest.policies import report as policy_report
from loadtest.policies import run as policy_run
from loadtest.policies.sets import EIGHT, PLAIN, policy_sets
from loadtest.relay import datagrams, datagrams_report
from loadtest.relay import record as relay_record
from loadtest.relay import report as relay_report
from loadtest.relay import run as relay_run
from loadtest.relay.idle import IDLE
from loadtest.relay.peers import TCP, UDP, names_of, optional_names_of
from loadtest.relay.work import WORKS
from loadtest.resilience import crowd, crowd_report
from loadtest.resilience import record as resilience_record
from loadtest.resilience import report as resilience_report
from loadtest.resilience import run as resilience_run
from loadtest.resilience.scenarios import TROUBLES
from loadtest.run import FULL, QUICK, Choice, run
from loadtest.scenarios import EVERY, MEMORY, SCENARIOS
from loadtest.toolbox import HERE, REPOSITORY, Toolbox, install

SCENARIO_NAMES = (*(scenario.name for scenario in EVERY), MEMORY)
WORK_NAMES = (*(work.name for work in WORKS), IDLE)
TCP_NAMES = (*names_of(TCP), *optional_names_of(TCP))
TROUBLE_NAMES = tuple(trouble.name for trouble in TROUBLES)
README_PATHS = (REPOSITORY / "README.md", HERE / "README.md")

PeerBin = Annotated[
    Path | None, typer.Option(envvar="LOADTEST_PEER_BIN", help="Folder to look for the peers' programs in first.")
]
Out = Annotated[Path, typer.Option(help="Folder of the results.")]

app = typer.Typer(help="Measures nodeproxy beside its peers.", no_args_is_help=True, add_completion=False)


def toolbox(peer_bin: Path | None) -> Toolbox:
    """The programs' places, as the environment tells them."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Toolbox(caches / "nodeproxy" / "bench", peer_bin)


def measuring(peer_bin: Path | None) -> Toolbox:
    """The same; from now on nodeproxy runs compiled, which is done first where its sources are new."""
    tools = toolbox(peer_bin)
    os.environ.update(environment_of("compiled", tools))
    return tools


@app.command("peers")
def install_peers(peer_bin: PeerBin = None) -> None:
    """Install what is missing: Debian packages (as root), and a cache outside the repository."""
    install(toolbox(peer_bin))


@app.command("run")
def measure(
    quick: Annotated[bool, typer.Option(help="One short round: under 2 minutes, noisy.")] = False,
    only: Annotated[str, typer.Option(help=f"Peers, with commas: {', '.join(NAMES)}.")] = ",".join(NAMES),
    scenario: Annotated[str, typer.Option(help=f"Scenarios, with commas: {', '.join(SCENARIO_NAMES)}.")] = ",".join(
        SCENARIO_NAMES
    ),
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure all peers on the same work; latest.json in OUT is written only when every answer was good."""
    choice = Choice(chosen(only, NAMES), chosen(scenario, SCENARIO_NAMES))
    seen = run(QUICK if quick else FULL, choice, measuring(peer_bin), typer.echo)
    if faults := record.faults(seen):
        record.save(seen, out / "failed.json")
        raise FaultyError("\n".join([*faults, f"these numbers mean nothing; they are in {out / 'failed.json'}"]))
    record.save(seen, out / "latest.json")
    typer.echo(report.summary(seen))


@app.command("report")
def render(out: Out = HERE / "results", peer_bin: PeerBin = None) -> None:
    """Render latest.json as Markdown, as a picture, and into the READMEs; and tcp.json and udp.json, where they are."""
    if (out / "tcp.json").exists():
        render_tcp(relay_record.load(out / "tcp.json", relay_record.TcpRecord), out)
    if (out / "udp.json").exists():
        render_udp(relay_record.load(out / "udp.json", relay_record.UdpRecord), out)
    seen = record.load(out / "latest.json")
    (out / "latest.md").write_text(report.markdown(seen))
    for readme in report.publish(report.summary(seen), README_PATHS):
        typer.echo(f"{readme} has no bench markers: left as it is")
    report.draw(seen, toolbox(peer_bin), out / "latest.png")


@app.command("policies")
def measure_policies(
    quick: Annotated[bool, typer.Option(help="One short round: noisy.")] = False,
    only: Annotated[str, typer.Option(help="Sets of policies/sets.yaml besides plain and eight, with commas.")] = "",
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure what policies cost: each alone, and eight together beside Envoy and Traefik with their equivalents."""
    sets, absent = policy_sets()
    if only:
        known = tuple(each.name for each in sets)
        wanted = {PLAIN, EIGHT, *chosen(only, known)}
        wanted |= {each.against for each in sets if each.name in wanted}
        sets = tuple(each for each in sets if each.name in wanted)
    plan = policy_run.QUICK if quick else policy_run.FULL
    seen = policy_run.run(plan, sets, absent, measuring(peer_bin), typer.echo)
    if faults := policy_report.faults(seen):
        policy_record.save(seen, out / "failed.json")
        raise FaultyError("\n".join([*faults, f"these numbers mean nothing; they are in {out / 'failed.json'}"]))
    policy_record.save(seen, out / "policies.json")
    (out / "policies.md").write_text(policy_report.markdown(seen))
    report.publish(policy_report.summary(seen), README_PATHS[1:], report.POLICIES)
    typer.echo(policy_report.markdown(seen))


@app.command("tcp")
def measure_tcp(
    quick: Annotated[bool, typer.Option(help="One short round: noisy.")] = False,
    only: Annotated[str, typer.Option(help=f"Peers, with commas: {', '.join(TCP_NAMES)}.")] = ",".join(names_of(TCP)),
    scenario: Annotated[str, typer.Option(help=f"Scenarios, with commas: {', '.join(WORK_NAMES)}.")] = ",".join(
        WORK_NAMES
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, without --quick.")] = 5,
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure TCP connections beside HAProxy and Envoy: round trips, bulk, both at once, new and idle connections."""
    plan = relay_run.QUICK if quick else replace(relay_run.FULL, rounds=rounds)
    peers, works = chosen(only, TCP_NAMES), chosen(scenario, WORK_NAMES)
    seen = relay_run.run(plan, peers, works, measuring(peer_bin), typer.echo)
    refuse_faults(relay_record.faults(seen.runs), seen, out)
    relay_record.save(seen, out / "tcp.json")
    render_tcp(seen, out)
    typer.echo(relay_report.summary(seen))


def render_tcp(seen: relay_record.TcpRecord, out: Path) -> None:
    """Render a record of TCP as Markdown, and into its README if it was no quick run."""
    (out / "tcp.md").write_text(relay_report.markdown(seen))
    if not seen.quick:
        report.publish(relay_report.summary(seen), README_PATHS[1:], report.TCP)


def render_udp(seen: relay_record.UdpRecord, out: Path) -> None:
    """Render a record of UDP as Markdown, and into its README if it was no quick run."""
    (out / "udp.md").write_text(datagrams_report.markdown(seen))
    if not seen.quick:
        report.publish(datagrams_report.summary(seen), README_PATHS[1:], report.UDP)


@app.command("udp")
def measure_udp(
    quick: Annotated[bool, typer.Option(help="One round of few queries.")] = False,
    only: Annotated[str, typer.Option(help=f"Peers, with commas: {', '.join(names_of(UDP))}.")] = ",".join(
        names_of(UDP)
    ),
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, without --quick.")] = 3,
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure DNS queries to a DNS server behind each peer: losses, latency, CPU, and memory of sessions."""
    plan = datagrams.QUICK if quick else replace(datagrams.FULL, rounds=rounds)
    seen = datagrams.run(plan, chosen(only, names_of(UDP)), measuring(peer_bin), typer.echo)
    relay_record.save(seen, out / "udp.json")
    render_udp(seen, out)
    typer.echo(datagrams_report.summary(seen))
    if faults := relay_record.faults(tuple(run for run in seen.runs if run.peer == NODEPROXY)):
        raise FaultyError("\n".join(faults))


def refuse_faults(faults: tuple[str, ...], seen: relay_record.TcpRecord, out: Path) -> None:
    """Save a run with faults apart.

    Raises: FaultyError when there are any.
    """
    if faults:
        relay_record.save(seen, out / "failed.json")
        raise FaultyError("\n".join([*faults, f"these numbers mean nothing; they are in {out / 'failed.json'}"]))


@app.command("resilience")
def measure_resilience(
    only: Annotated[str, typer.Option(help=f"Scenarios, with commas: {', '.join(TROUBLE_NAMES)}.")] = ",".join(
        TROUBLE_NAMES
    ),
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure what policies are worth when endpoints are overloaded, slow or failing (as root)."""
    names = chosen(only, TROUBLE_NAMES)
    words = ["resilience", f"--only={only}", f"--out={out}", *([f"--peer-bin={peer_bin}"] if peer_bin else [])]
    status = inside_own_network(words)
    if status is not None:
        raise typer.Exit(status)
    troubles = [trouble for trouble in TROUBLES if trouble.name in names]
    seen = resilience_run.run(troubles, measuring(peer_bin), typer.echo)
    resilience_record.save(seen, out / "resilience.json")
    (out / "resilience.md").write_text(resilience_report.markdown(seen))
    report.publish(resilience_report.summary(seen), README_PATHS[1:], report.RESILIENCE)
    typer.echo(resilience_report.markdown(seen))


@app.command("fairness")
def measure_fairness(
    rounds: Annotated[int, typer.Option(min=1, help="Each is over a minute.")] = 5,
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure what a greedy caller costs ten others, where the worker and where the endpoint is saturated (as root)."""
    words = ["fairness", f"--rounds={rounds}", f"--out={out}", *([f"--peer-bin={peer_bin}"] if peer_bin else [])]
    status = inside_own_network(words)
    if status is not None:
        raise typer.Exit(status)
    seen = crowd.run(rounds, crowd.SITUATIONS, measuring(peer_bin), typer.echo)
    crowd.save(seen, out / "fairness.json")
    text = crowd_report.summary(seen)
    (out / "fairness.md").write_text(f"# Ten callers beside a greedy one\n\n{text}\n")
    report.publish(text, README_PATHS[1:], report.FAIRNESS)
    typer.echo(text)


@app.command("profile")
def profile(
    scenario: Annotated[str, typer.Option(help="One of those of `run`.")] = SCENARIOS[1].name, peer_bin: PeerBin = None
) -> None:
    """Show where nodeproxy's time goes under saturation."""
    known = {each.name: each for each in EVERY}
    (name,) = chosen(scenario, tuple(known))
    hotspots.profile(measuring(peer_bin), known[name], typer.echo)


@app.command("h2flood")
def flood(
    seconds: Annotated[int, typer.Option(min=4, help="How long, for each peer.")] = 60,
    only: Annotated[str, typer.Option(help="Peers, with commas.")] = NODEPROXY,
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure errors and memory under very many streams of HTTP/2."""
    seen = soak.run(seconds, chosen(only, NAMES), measuring(peer_bin), typer.echo)
    soak.save(seen, out / "h2flood.json")
    (out / "h2flood.md").write_text(soak.markdown(seen))
    typer.echo(soak.markdown(seen))
    if faults := soak.faults(seen):
        raise FaultyError("\n".join(faults))


@app.command("seeing")
def measure_seeing(
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 2000.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long, each time.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 5,
    out: Out = HERE / "results",
    peer_bin: PeerBin = None,
) -> None:
    """Measure what `nodeproxy tap`, `nodeproxy top` and an open page cost the requests of a busy node."""
    seen = seeing.run(rate, seconds, rounds, measuring(peer_bin), typer.echo)
    if faults := seeing.faults(seen):
        seeing.save(seen, out / "failed.json")
        raise FaultyError("\n".join([*faults, f"these numbers mean nothing; they are in {out / 'failed.json'}"]))
    seeing.save(seen, out / "seeing.json")
    (out / "seeing.md").write_text(seeing.markdown(seen))
    typer.echo(seeing.markdown(seen))


@app.command("growth")
def measure_growth(out: Out = HERE / "results", peer_bin: PeerBin = None) -> None:
    """Measure requests with more and more connections, services and workers: 4 minutes."""
    seen = growth.run(measuring(peer_bin), typer.echo)
    faults = growth.faults(seen)
    growth.save(seen, out / ("failed.json" if faults else "growth.json"))
    if faults:
        raise BenchmarkError("not every answer was good: " + "; ".join(faults))
    text = growth.markdown(seen)
    (out / "growth.md").write_text(text)
    report.publish(text.rstrip(), README_PATHS[1:], report.GROWTH)
    typer.echo(text)


@app.command("page")
def measure_page(
    services: Annotated[int, typer.Option(min=1, help="How many the node has.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="How often the page is opened.")] = 5,
    out: Out = HERE / "results",
) -> None:
    """Measure what the page of a node costs the browser; needs chromium."""
    from loadtest import page_times  # the browser's driver, which no other measurement needs

    found = page_times.markdown(page_times.measure(services, rounds, typer.echo), services)
    (out / "page.md").write_text(found)
    typer.echo(found)


@app.command("pictures")
def take_pictures(
    seconds: Annotated[float, typer.Option(min=0, help="How long the shop is called before.")] = 150.0,
    out: Out = REPOSITORY / "docs" / "images",
) -> None:
    """Take the pictures of the page and of the tour for the documentation; needs chromium."""
    from loadtest import page_pictures, tour_pictures

    page_pictures.take(out, seconds, typer.echo)
    tour_pictures.take(out, typer.echo)


@app.command("cluster")
def measure_cluster(
    probes: Annotated[int, typer.Option(min=10, help="How often to time a change.")] = 300, out: Out = HERE / "results"
) -> None:
    """Measure memory, changes and outages on a real API server (`make kube` first; as root)."""
    status = inside_own_network(["cluster", f"--probes={probes}", f"--out={out}"])
    if status is not None:
        raise typer.Exit(status)
    out.mkdir(parents=True, exist_ok=True)
    seen = cluster.run(probes, typer.echo)
    (out / "cluster.json").write_bytes(msgspec.json.format(msgspec.json.encode(seen), indent=1) + b"\n")
    text = markdown(seen)
    (out / "cluster.md").write_text(text)
    report.publish(text.rstrip(), README_PATHS[1:], report.CLUSTER)
    typer.echo(text)


def chosen(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The names written with commas between them.

    Raises: BadParameter for one that is not known.
    """
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{', '.join(unknown)}: not among {', '.join(known)}")
    return names


def main() -> None:
    """Run the command line; SIGTERM ends what was started, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app(prog_name="python -m loadtest")
    except (BenchmarkError, NotInstalledError, subprocess.CalledProcessError) as error:
        sys.exit(f"BENCHMARK FAILED: {error}")


if __name__ == "__main__":
    main()
