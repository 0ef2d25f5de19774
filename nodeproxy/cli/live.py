"""The commands that show the running node until they are ended: `top`, `tap`."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from nodeproxy.cli.asking import KubeFile, OnNode, Where, console
from nodeproxy.cli.configuration import ConfigFile, run_dir_of
from nodeproxy.cli.service_names import MaybeService, Service

if TYPE_CHECKING:
    from nodeproxy.cli.rates import Interval

NICE = 10  # a command in the proxy's own pod shares a core with requests, which go first


def top(
    name: MaybeService = "",
    interval: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Exit after the first interval.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each interval.")] = False,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
) -> None:
    """Show rates, errors and latency of each service, live.

    Sorted by requests per second; latencies are between the bounds of the histogram of /metrics. Ctrl-C ends it.
    """
    from nodeproxy.cli.control_socket import NoAnswer
    from nodeproxy.cli.rates import from_json

    live = sys.stdout.isatty() and not json and not once
    try:
        with _screen() if live else nullcontext(partial(_printed, json)) as show:
            if node:
                words = ["top", *([name] if name else []), f"--interval={interval}", *(["--once"] if once else [])]
                _follow_on(words, lambda line: show(from_json(line)), Where(json, config, node, kubeconfig))
                return
            os.nice(NICE)
            seen = _intervals(run_dir_of(config), name, interval)
            for each in islice(seen, 1) if once else seen:
                show(each)
    except KeyboardInterrupt:
        return
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _printed(json: bool, interval: "Interval") -> None:
    from nodeproxy.cli.rates import as_json, rates_table

    if json:
        typer.echo(as_json(interval))
    else:
        console().print(rates_table(interval))


@contextmanager
def _screen() -> "Iterator[Callable[[Interval], None]]":
    """Shows the last interval on the whole terminal, until it ends."""
    from rich.live import Live

    from nodeproxy.cli.rates import rates_table

    with Live("waiting for the first interval", console=console(), auto_refresh=False, screen=True) as live:
        yield lambda interval: live.update(rates_table(interval), refresh=True)


def _intervals(run_dir: str, name: str, interval_s: float) -> "Iterator[Interval]":
    """What has happened, again after each interval.

    Raises:
        NoAnswer: the node does not answer.
    """
    from nodeproxy.cli.control_socket import ask
    from nodeproxy.cli.rates import Rates

    rates = Rates(name)
    while True:
        began = time.monotonic()
        found = rates.after(ask(run_dir, "services"), began)
        if found is not None:
            yield found
        time.sleep(max(0.0, began + interval_s - time.monotonic()))


def tap(
    name: Service,
    path: Annotated[str, typer.Option(metavar="PREFIX", help="Only paths that begin so.")] = "",
    method: Annotated[str, typer.Option(help="Only this method.")] = "",
    status: Annotated[str, typer.Option(metavar="5xx|404", help="Only these statuses.")] = "",
    source: Annotated[
        str, typer.Option("--from", metavar="NAMESPACE[/WORKLOAD]", help="Only requests of these callers.")
    ] = "",
    slower_than: Annotated[str, typer.Option(metavar="1s", help="Only requests that took at least so long.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="Exit after so many requests.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each request.")] = False,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
) -> None:
    """Show single requests of a service with each attempt, live.

    Each request is shown when it has ended, with the timing of its attempts and what policies decided. Ctrl-C ends it.
    At most 100 a second of each worker; what is left out is counted. A tap ends by itself after ten minutes.
    With --node, Ctrl-C ends only this side at once: the tap in the pod may last until then.
    """
    given = {"path": path, "method": method, "status": status, "from": source, "slower-than": slower_than}
    query = urlencode({"service": name} | {key: value for key, value in given.items() if value})
    if node:
        options = {**given, "count": str(count or "")}
        words = ["tap", name, *(f"--{option}={value}" for option, value in options.items() if value)]
        _follow_tap_on(words, count, Where(json, config, node, kubeconfig))
    else:
        _follow_tap(f"tap?{query}", count, json, config)


def _follow_on(words: Sequence[str], heard: "Callable[[bytes], None]", where: Where) -> None:
    """Run a command with --json on that node; `heard` gets its lines. Exits with 1 and the reason where it fails."""
    from nodeproxy.cli.remote import NotReached, run  # the Kubernetes client costs a second and 45 MiB

    try:
        done = run(where.node, [*words, "--json"], where.kubeconfig, heard)
    except NotReached as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if done.status:
        typer.echo(f"node {where.node}: {done.stderr.strip()}", err=True)
        raise typer.Exit(1)


def _follow_tap_on(words: Sequence[str], count: int | None, where: Where) -> None:
    from nodeproxy.cli.tapped import TapShown

    shown = TapShown(where.json, count)

    def heard(line: bytes) -> None:
        for text in shown.texts(line):
            typer.echo(text)

    try:
        _follow_on(words, heard, where)
    except KeyboardInterrupt:
        return


def _follow_tap(page: str, count: int | None, as_json: bool, config: Path | None) -> None:
    from nodeproxy.cli.control_socket import NoAnswer, lines
    from nodeproxy.cli.tapped import TapShown

    os.nice(NICE)
    shown = TapShown(as_json, count)
    try:
        with closing(lines(run_dir_of(config), page)) as every:
            for line in every:
                for text in shown.texts(line):
                    typer.echo(text)
                if shown.over:
                    return
    except KeyboardInterrupt:
        return
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo("the control process has ended the tap; see `nodeproxy status`", err=True)
    raise typer.Exit(1)
