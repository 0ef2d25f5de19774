"""Runs the demo: `python -m nodeproxy.demo REQUESTS [--once]`."""

import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track

from nodeproxy.demo import lines, mesh, services, table, traffic

SERVICES = ("reviews", "ratings")


def main(requests: int, once: bool) -> int:
    """Run the demo; returns the exit status: 0, or 1 if the mesh did not start."""
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # shuts down as on Ctrl-C
    try:
        with (
            tempfile.TemporaryDirectory(prefix="nodeproxy-demo-") as folder,
            services.running() as ports,
            lines.running() as lines_port,
        ):
            console.print("starting four servers and the mesh in front of them …")
            with mesh.running(Path(folder), {**ports, lines.NAME: lines_port}) as running:
                _show(console, running, requests)
                if not once:
                    console.print("\nrunning until Ctrl-C")
                    signal.pause()
    except mesh.NotStarted as error:
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("ended")
    return 0


def _show(console: Console, running: mesh.Mesh, requests: int) -> None:
    answers = [*track(traffic.send(running.listen, SERVICES, requests), "sending requests", requests, console=console)]
    console.print(
        table.rendered(answers, table.retries(running.metrics(lambda page: table.requests(page) >= requests)))
    )
    console.print("reviews-v2 fails a tenth of its requests; the mesh retries them, and callers see no failure.\n")
    console.print(f"lines is TCP, and its server speaks first: {lines.talk(lines.ADDRESS)}\n", soft_wrap=True)
    console.print("Try it by hand:")
    console.print(f"    http_proxy=http://{running.listen} curl http://reviews.shop.mesh/", soft_wrap=True)
    console.print("    curl telnet://{}:{}".format(*lines.ADDRESS), soft_wrap=True)
    console.print(f"    curl http://{running.metrics_address}/metrics", soft_wrap=True)
    console.print(f"Changes of this YAML take effect at once: {running.folder}/shop.yaml", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), "--once" in sys.argv))
