"""Runs the tour: `python -m nodeproxy.demo [--quick] [--keep] [--step NAME]`."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from nodeproxy.demo import lines, mesh, services
from nodeproxy.demo.shop import Shop
from nodeproxy.demo.stage import Stage
from nodeproxy.demo.steady import call_on
from nodeproxy.demo.steps import broken, canary, explained, flood, healthy
from nodeproxy.demo.traffic import NoEffect

STEPS: Mapping[str, tuple[str, Callable[[Stage], None]]] = {
    "healthy": ("services by name", healthy.show),
    "break": ("an endpoint breaks, and no client notices", broken.show),
    "canary": ("a canary, by editing a file", canary.show),
    "flood": ("one pod floods a service", flood.show),
    "diagnose": ("a broken service, explained", explained.show),
}
PAUSE_S = 4.0  # between two steps on a terminal: to read; the whole tour takes less than a minute


def main(names: Sequence[str], pause_s: float, *, keep: bool) -> int:
    """Run these steps; returns the exit status: 0, or 1 if the mesh did not start or a change had no effect."""
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # shuts down as on Ctrl-C
    try:
        with _staged(console) as stage:
            for number, name in enumerate(names):
                title, show = STEPS[name]
                if number:
                    time.sleep(pause_s)
                stage.say("")
                console.rule(f"{number + 1} of {len(names)} · {title}", align="left", characters="─")
                show(stage)
            if keep:
                stage.say("\nThe pods go on calling, for the commands above; running until Ctrl-C")
                call_on(stage)
            stage.say("\nThe tour is over. `nodeproxy demo --keep` leaves the mesh running, for the commands above.")
    except (mesh.NotStarted, NoEffect) as error:
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("ended")
    return 0


@contextmanager
def _staged(console: Console) -> Iterator[Stage]:
    """The endpoints, the files and the mesh, until the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="nodeproxy-demo-") as folder,
        services.running() as endpoints,
        lines.running() as lines_port,
    ):
        yaml = Path(folder) / "yaml"
        yaml.mkdir()
        shop = Shop(yaml, {name: each.port for name, each in endpoints.items()} | {lines.NAME: lines_port})
        console.print("Starting six servers on loopback, and the mesh in front of them …")
        with mesh.running(Path(folder), yaml) as running:
            stage = Stage(console, running, endpoints, shop, running.page)
            stage.say(f"In another terminal, for the commands below:  . {running.environment}")
            stage.say(f"The files, whose changes are in force at once:  {yaml}")
            if stage.page:
                stage.say(f"The page of the node, in a browser:  {stage.page}")
            yield stage


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nodeproxy demo")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--step", choices=STEPS)
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    pauses = sys.stdout.isatty() and not given.quick
    sys.exit(main([given.step] if given.step else [*STEPS], PAUSE_S if pauses else 0.0, keep=given.keep))
