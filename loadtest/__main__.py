"""The benchmark's command line: peers, run, report, profile, and the other measurements of README.md."""

import signal
import subprocess
import sys
from typing import Annotated

import typer

from loadtest import growth, hotspots, record, report, seeing, soak
from loadtest.cluster.command import measure_cluster
from loadtest.errors import BenchmarkError, FaultyError, NotInstalledError
from loadtest.options import (
    BOTH_READMES,
    OWN_README,
    RESULTS,
    Out,
    PeerBin,
    chosen,
    measuring,
    refuse,
    toolbox,
)
from loadtest.peer import NAMES, NODEPROXY
from loadtest.policies.command import measure_policies
from loadtest.record_file import load, save
from loadtest.relay.command import measure_tcp, measure_udp, render_saved
from loadtest.resilience.command import measure_fairness, measure_resilience
from loadtest.run import FULL, QUICK, Choice, run
from loadtest.scenarios import EVERY, MEMORY, SCENARIOS
from loadtest.toolbox import REPOSITORY, install

SCENARIO_NAMES = (*(scenario.name for scenario in EVERY), MEMORY)

app = typer.Typer(help="Measures nodeproxy beside its peers.", no_args_is_help=True, add_completion=False)


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
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure all peers on the same work; latest.json in OUT is written only when every answer was good."""
    choice = Choice(chosen(only, NAMES), chosen(scenario, SCENARIO_NAMES))
    seen = run(QUICK if quick else FULL, choice, measuring(peer_bin), typer.echo)
    refuse(record.faults(seen), seen, out)
    save(seen, out / "latest.json")
    typer.echo(report.summary(seen))


@app.command("report")
def render(out: Out = RESULTS, peer_bin: PeerBin = None) -> None:
    """Render latest.json as Markdown, as a picture, and into the READMEs; and tcp.json and udp.json, where they are."""
    render_saved(out)
    seen = load(out / "latest.json", record.Record)
    (out / "latest.md").write_text(report.markdown(seen))
    for readme in report.publish(report.summary(seen), BOTH_READMES):
        typer.echo(f"{readme} has no bench markers: left as it is")
    report.draw(seen, toolbox(peer_bin), out / "latest.png")


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
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure errors and memory under very many streams of HTTP/2."""
    seen = soak.run(seconds, chosen(only, NAMES), measuring(peer_bin), typer.echo)
    save(seen, out / "h2flood.json")
    (out / "h2flood.md").write_text(soak.markdown(seen))
    typer.echo(soak.markdown(seen))
    if faults := soak.faults(seen):
        raise FaultyError("\n".join(faults))


@app.command("seeing")
def measure_seeing(
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 2000.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long, each time.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 5,
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure what `nodeproxy tap`, `nodeproxy top` and an open page cost the requests of a busy node."""
    seen = seeing.run(rate, seconds, rounds, measuring(peer_bin), typer.echo)
    refuse(seeing.faults(seen), seen, out)
    save(seen, out / "seeing.json")
    (out / "seeing.md").write_text(seeing.markdown(seen))
    typer.echo(seeing.markdown(seen))


@app.command("growth")
def measure_growth(out: Out = RESULTS, peer_bin: PeerBin = None) -> None:
    """Measure requests with more and more connections, services and workers: 4 minutes."""
    seen = growth.run(measuring(peer_bin), typer.echo)
    refuse(growth.faults(seen), seen, out)
    save(seen, out / "growth.json")
    text = growth.markdown(seen)
    (out / "growth.md").write_text(text)
    report.publish(text.rstrip(), OWN_README, report.GROWTH)
    typer.echo(text)


@app.command("page")
def measure_page(
    services: Annotated[int, typer.Option(min=1, help="How many the node has.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="How often the page is opened.")] = 5,
    out: Out = RESULTS,
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


app.command("policies")(measure_policies)
app.command("tcp")(measure_tcp)
app.command("udp")(measure_udp)
app.command("resilience")(measure_resilience)
app.command("fairness")(measure_fairness)
app.command("cluster")(measure_cluster)


def main() -> None:
    """Run the command line; SIGTERM ends what was started, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app(prog_name="python -m loadtest")
    except (BenchmarkError, NotInstalledError, subprocess.CalledProcessError) as error:
        sys.exit(f"BENCHMARK FAILED: {error}")


if __name__ == "__main__":
    main()
