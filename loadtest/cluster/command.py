"""The command `cluster`, as root: the mesh on a real API server."""

from typing import Annotated

import typer

from loadtest.cluster import run as cluster
from loadtest.cluster.record import markdown
from loadtest.cluster.world import inside_own_network
from loadtest.options import OWN_README, RESULTS, Out, measuring
from loadtest.record_file import save
from loadtest.report import CLUSTER, publish


def measure_cluster(
    probes: Annotated[int, typer.Option(min=10, help="How often to time a change.")] = 300, out: Out = RESULTS
) -> None:
    """Measure memory, changes and outages on a real API server (`make kube` first; as root)."""
    measuring(None)
    status = inside_own_network(["cluster", f"--probes={probes}", f"--out={out}"])
    if status is not None:
        raise typer.Exit(status)
    seen = cluster.run(probes, typer.echo)
    save(seen, out / "cluster.json")
    text = markdown(seen)
    (out / "cluster.md").write_text(text)
    publish(text.rstrip(), OWN_README, CLUSTER)
    typer.echo(text)
