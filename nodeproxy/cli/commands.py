"""The commands of `nodeproxy`, each from the module of its topic.

What a command needs beyond typer is imported when it runs: `--help` and completion take a tenth of a second.
"""

import os
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from nodeproxy.cli import inspection, live, manual, processes
from nodeproxy.cli.diagnose import diagnose
from nodeproxy.cli.new_policy import new_policy
from nodeproxy.cli.page import page
from nodeproxy.cli.why import why

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": processes.run,
    "status": inspection.status,
    "services": inspection.services,
    "endpoints": inspection.endpoints,
    "routes": inspection.routes,
    "explain": inspection.explain,
    "diagnose": diagnose,
    "why": why,
    "top": live.top,
    "tap": live.tap,
    "page": page,
    "check": processes.check,
    "settings": manual.settings,
    "policies": manual.policies,
    "schema": manual.schema,
    "new-policy": new_policy,
    "net": processes.network,
    "cluster-dns": processes.cluster_dns,
    "demo": processes.demo,
    "completion": manual.completion,
}


def version(asked: bool) -> None:
    """Print the build, and end the command line."""
    if asked:
        from nodeproxy.mesh.build import this_build

        typer.echo(this_build())
        raise typer.Exit


app = typer.Typer(
    help="A service mesh with one proxy per node: http://<service>.<namespace>.mesh/",
    no_args_is_help=True,
    add_completion=False,  # it comes with two options of every help; `completion` has the scripts
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes as long to import as all else together
)


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Say what runs, and how it is compiled.", is_eager=True, callback=version)
    ] = False,
) -> None:
    pass


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main(name: str = "nodeproxy") -> None:
    """Run the command line under this name, or complete a line of it."""
    if manual.COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    app(prog_name=name)
