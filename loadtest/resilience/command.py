"""The commands `resilience` and `fairness`, as root: what policies are worth in trouble."""

from typing import Annotated

import typer

from loadtest.cluster.world import inside_own_network
from loadtest.options import OWN_README, RESULTS, Out, PeerBin, chosen, measuring
from loadtest.record_file import save
from loadtest.report import FAIRNESS, RESILIENCE, publish
from loadtest.resilience import crowd, crowd_report
from loadtest.resilience import report as resilience_report
from loadtest.resilience import run as resilience_run
from loadtest.resilience.scenarios import TROUBLES

TROUBLE_NAMES = tuple(trouble.name for trouble in TROUBLES)


def measure_resilience(
    only: Annotated[str, typer.Option(help=f"Scenarios, with commas: {', '.join(TROUBLE_NAMES)}.")] = ",".join(
        TROUBLE_NAMES
    ),
    out: Out = RESULTS,
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
    save(seen, out / "resilience.json")
    (out / "resilience.md").write_text(resilience_report.markdown(seen))
    publish(resilience_report.summary(seen), OWN_README, RESILIENCE)
    typer.echo(resilience_report.markdown(seen))


def measure_fairness(
    rounds: Annotated[int, typer.Option(min=1, help="Each is over a minute.")] = 5,
    out: Out = RESULTS,
    peer_bin: PeerBin = None,
) -> None:
    """Measure what a greedy caller costs ten others, where the worker and where the endpoint is saturated (as root)."""
    words = ["fairness", f"--rounds={rounds}", f"--out={out}", *([f"--peer-bin={peer_bin}"] if peer_bin else [])]
    status = inside_own_network(words)
    if status is not None:
        raise typer.Exit(status)
    seen = crowd.run(rounds, crowd.SITUATIONS, measuring(peer_bin), typer.echo)
    save(seen, out / "fairness.json")
    text = crowd_report.summary(seen)
    (out / "fairness.md").write_text(f"# Ten callers beside a greedy one\n\n{text}\n")
    publish(text, OWN_README, FAIRNESS)
    typer.echo(text)
