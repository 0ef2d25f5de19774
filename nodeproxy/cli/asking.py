"""How a command asks a node: over the Unix socket of the one it runs on, or in the pod of the one that --node names."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodeproxy.cli.configuration import run_dir_of
from nodeproxy.cli.control_socket import NoAnswer, ask

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 400  # columns of a table for another program, so that a row stays a line
UNASKED = 2  # exit status of diagnose when the node cannot be asked

OnNode = Annotated[str, typer.Option("--node", metavar="NAME", help="Ask that node, through the API server.")]
KubeFile = Annotated[Path | None, typer.Option(help="Kubeconfig for --node; by default kubectl's.")]


@dataclass(frozen=True, slots=True)
class Where:
    """Which node is asked, and how the answer is printed."""

    json: bool = False
    config: Path | None = None
    node: str = ""
    kubeconfig: Path | None = None


def show(page: str, words: Sequence[str], shown: "Callable[[bytes], Iterable[Table | str]]", where: Where) -> None:
    """Prints a page of a node's control process; `words` are the command that prints it there.

    Exits with 1 and the reason where there is none.
    """
    try:
        text = in_pod(words, where) if where.node else ask(run_dir_of(where.config), page)
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if where.json:
        typer.echo(text.decode(), nl=False)
    else:
        printed(shown(text))


def printed(rows: "Iterable[Table | str]") -> None:
    """Prints tables and lines for a reader."""
    to = console()
    for each in rows:
        to.print(each, soft_wrap=isinstance(each, str))


def console() -> "Console":
    """Where tables are printed."""
    from rich.console import Console  # here, because the import takes time that other commands do not need

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def in_pod(words: Sequence[str], where: Where) -> bytes:
    """What `nodeproxy <words> --json` prints on the node; also where it exits with 1 after having printed.

    Raises:
        NoAnswer: the node is not reached, or the command prints nothing there.
    """
    from nodeproxy.cli import remote  # the Kubernetes client costs a second and 45 MiB

    try:
        done = remote.run(where.node, [*words, "--json"], where.kubeconfig)
    except remote.NotReached as error:
        raise NoAnswer(str(error)) from error
    if not done.stdout:
        raise NoAnswer(f"node {where.node}: {done.stderr.strip() or f'exit status {done.status}'}")
    return done.stdout
