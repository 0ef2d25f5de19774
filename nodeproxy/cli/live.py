"""The commands that show the running node until they are ended: `top`, `tap`."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from nodeproxy.cli.asking import KubeFile, OnNode, Where, console
from nodeproxy.cli.configuration import ConfigFile, run_dir_of
from nodeproxy.cli.control_socket import NoAnswer, ask
from nodeproxy.cli.service_names import MaybeService, Service

if TYPE_CHECKING:
    from nodeproxy.cli.rates import Interval

NICE = 10  # a command in the proxy's own pod shares a core with requests, which go first
STDIN = 0
UNTIL_STDIN_ENDS = "--until-stdin-ends"
UntilStdinEnds = Annotated[bool, typer.Option(UNTIL_STDIN_ENDS, hidden=True)]


def top(
    name: MaybeService = "",
    interval: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Exit after the first interval.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each interval.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Exit after so many intervals.")] = None,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Show rates, errors and latency of each service, live.

    Sorted by requests per second; latencies are between the bounds of the histogram of /metrics. Ctrl-C ends it.
    """
    from nodeproxy.cli.rates import interval_of

    most = 1 if once else count
    shown_live = most is None and sys.stdout.isatty() and not json
    with _until_ended(), _intervals_shown(json, shown_live) as show:
        if until_stdin_ends:
            _end_with_stdin()
        if node:
            words = ["top", *filter(None, [name]), f"--interval={interval}", *([f"--count={most}"] if most else [])]
            _follow_on(words, lambda line: show(interval_of(line)), Where(json, config, node, kubeconfig))
        else:
            os.nice(NICE)
            for each in islice(_intervals(run_dir_of(config), name, interval), most):
                show(each)


@contextmanager
def _until_ended() -> Iterator[None]:
    """Ctrl-C is the end of a command that is live; a node that does not answer ends it with status 1 and the reason."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _end_with_stdin() -> None:
    """Let the end of stdin be a Ctrl-C: in a pod it is all that shows that the reader of this command has gone."""
    main = threading.get_ident()

    def read() -> None:
        while os.read(STDIN, 4096):  # not sys.stdin, whose lock would be held at the end of the interpreter
            pass
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=read, daemon=True).start()


@contextmanager
def _intervals_shown(json: bool, live: bool) -> "Iterator[Callable[[Interval], None]]":
    """How an interval is shown: as JSON, on a screen of its own, or as a table below the last one."""
    from nodeproxy.cli.rates import as_json, rates_table

    if json:
        yield lambda each: typer.echo(as_json(each))
    elif live:
        from rich.live import Live

        with Live("waiting for the first interval", console=console(), auto_refresh=False, screen=True) as screen:
            yield lambda each: screen.update(rates_table(each), refresh=True)
    else:
        yield lambda each: console().print(rates_table(each))


def _follow_on(words: Sequence[str], heard: Callable[[bytes], None], where: Where) -> None:
    """Runs a live command in the pod of another node; `heard` gets each line of its JSON.

    Raises:
        NoAnswer: the node is not reached, or the command fails there.
    """
    from nodeproxy.cli.remote import NotReached, run  # the Kubernetes client costs a second and 45 MiB

    try:
        done = run(where.node, [*words, "--json", UNTIL_STDIN_ENDS], where.kubeconfig, heard)
    except NotReached as error:
        raise NoAnswer(str(error)) from error
    if done.status:
        raise NoAnswer(f"node {where.node}: {done.stderr.strip()}")


def _intervals(run_dir: str, name: str, interval_s: float) -> "Iterator[Interval]":
    """What has happened, again after each interval.

    Raises:
        NoAnswer: the node does not answer.
    """
    from nodeproxy.cli.rates import Rates

    rates = Rates(name)
    while True:
        began = time.monotonic()
        found = rates.after(ask(run_dir, "services"), time.monotonic())
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
    until_stdin_ends: UntilStdinEnds = False,
) -> None:
    """Show single requests of a service with each attempt, live.

    Each request is shown when it has ended, with the timing of its attempts and what policies decided. Ctrl-C ends it.
    At most 100 a second of each worker; what is left out is counted. A tap ends by itself after ten minutes.
    """
    from nodeproxy.cli.tapped import TapShown

    given = {"path": path, "method": method, "status": status, "from": source, "slower-than": slower_than}
    query = urlencode({"service": name} | {key: value for key, value in given.items() if value})
    with _until_ended():
        if until_stdin_ends:
            _end_with_stdin()
        if node:
            options = {**given, "count": str(count or "")}
            words = ["tap", name, *(f"--{option}={value}" for option, value in options.items() if value)]
            shown = TapShown(json, count)
            _follow_on(words, lambda line: _print_all(shown.texts(line)), Where(json, config, node, kubeconfig))
        else:
            _follow_tap(f"tap?{query}", count, json, config)


def _print_all(texts: Iterable[str]) -> None:
    for text in texts:
        typer.echo(text)


def _follow_tap(page: str, count: int | None, as_json: bool, config: Path | None) -> None:
    from nodeproxy.cli.control_socket import lines
    from nodeproxy.cli.tapped import TapShown

    os.nice(NICE)
    shown = TapShown(as_json, count)
    with closing(lines(run_dir_of(config), page)) as every:
        for line in every:
            _print_all(shown.texts(line))
            if shown.over:
                return
    raise NoAnswer("the control process has ended the tap; see `nodeproxy status`")
