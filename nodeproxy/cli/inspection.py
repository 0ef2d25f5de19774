"""The commands that show the running node once: `status`, `services`, `endpoints`, `routes`, `explain`."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from nodeproxy.cli.configuration import ConfigFile, Json, run_dir_of
from nodeproxy.cli.service_names import Service

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 400  # columns of a table for another program, so that a row stays a line


def status(json: Json = False, config: ConfigFile = None) -> None:
    """Show workers, watches and callers of the running node.

    The setting run_dir finds the node.
    """
    from nodeproxy.cli import node

    _show("status", node.status_shown, json, config)


def services(
    everything: Annotated[bool, typer.Option("--all", help="Also those that this node has not called.")] = False,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Show the services that this node calls, and how it goes.

    For each port: address, endpoints, requests, errors and retries since the node started; `top` shows them per second.
    """
    from nodeproxy.cli import node

    _show("services?all" if everything else "services", node.services_shown, json, config)


def endpoints(name: Service, json: Json = False, config: ConfigFile = None) -> None:
    """Show the endpoints of a service, and why not all are used.

    For each worker: distance, ejections, probes, requests and connections.
    """
    from nodeproxy.cli import service

    _show(f"endpoints?{urlencode({'service': name})}", service.endpoints_shown, json, config)


def routes(name: Service, json: Json = False, config: ConfigFile = None) -> None:
    """Show the route rules of a service, and how often each won.

    In their order, with what each matches, where its requests go, and its canary.
    """
    from nodeproxy.cli import rules

    _show(f"routes?{urlencode({'service': name})}", rules.routes_shown, json, config)


def explain(
    name: Service,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Only this port.")] = None,
    path: Annotated[str | None, typer.Option(help="Which rule a request with this path and query takes.")] = None,
    method: Annotated[str | None, typer.Option(help="The method of that request.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="A field of it, repeatable.")
    ] = None,
    caller: Annotated[
        str | None, typer.Option("--from", metavar="NAMESPACE/WORKLOAD|POD", help="Its caller, or a pod's address.")
    ] = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Show what is in force for a service, and where it is written.

    With --path, --method, --header or --from: which rule such a request would take.
    """
    from nodeproxy.cli import service

    asked = {
        "port": str(port or ""),
        "path": path,
        "method": method,
        "headers": "\n".join(header or ()),
        "from": caller,
    }
    query = urlencode({"service": name} | {key: value for key, value in asked.items() if value})
    _show(f"explain?{query}", service.explain_shown, json, config)


def console() -> "Console":
    """Where tables are printed."""
    from rich.console import Console  # here, because the import takes time that other commands do not need

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def _show(page: str, shown: "Callable[[bytes], Iterable[Table | str]]", as_json: bool, config: Path | None) -> None:
    from nodeproxy.cli.control_socket import NoAnswer, ask

    try:
        text = ask(run_dir_of(config), page)
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(text.decode(), nl=False)
        return
    to = console()
    for each in shown(text):
        to.print(each, soft_wrap=isinstance(each, str))
