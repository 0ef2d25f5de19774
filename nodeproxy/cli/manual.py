"""The commands that explain without a node: `settings`, `policies`, `completion`."""

from enum import StrEnum
from json import dumps
from typing import Annotated

import typer

from nodeproxy.cli.configuration import ConfigFile, Json, read_settings

COMPLETE = "_NODEPROXY_COMPLETE"  # the environment variable that the scripts of completion set


def settings(json: Json = False) -> None:
    """List all settings with their defaults and meaning."""
    from nodeproxy.settings import Settings  # here, because other commands do not need pydantic

    if json:
        fields = Settings.model_fields.items()
        found = [{"name": name, "default": field.default, "meaning": field.description} for name, field in fields]
        typer.echo(dumps(found, indent=2))
        return
    for name, field in Settings.model_fields.items():
        typer.echo(f"{name} = {field.default!r}\n    {field.description}")


def policies(
    name: Annotated[str, typer.Argument(help="A policy, or a field of one: retries.backoff.", metavar="[NAME]")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print the JSON schema.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of docs/policies.")] = False,
    config: ConfigFile = None,
) -> None:
    """List the policies, or explain one of them.

    Its fields, defaults, bounds and decisions, and an example.

    Custom policies are among them if the setting own_policies names them, and their packages are installed here.
    """
    from rich.console import Console

    from nodeproxy.cli.reference import command  # here, because other commands do not need the imports
    from nodeproxy.policies.own import OwnPolicyUnusable, registry_of

    try:
        registry = registry_of(read_settings(config, {}).own_policies)
        if json or markdown:
            typer.echo((command.json_schema if json else command.markdown)(name, registry), nl=False)
        else:
            command.show(name, Console(highlight=False, markup=False), registry)
    except (command.NoSuchPlace, OwnPolicyUnusable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def schema(
    name: Annotated[str, typer.Argument(help="A policy, or a field of one: retries.backoff.", metavar="[NAME]")] = "",
) -> None:
    """Print the JSON schema of policy tables, for editors."""
    policies(name, json=True, markdown=False)


class Shell(StrEnum):
    """A shell with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the completion script of a shell.

    It completes commands, options and the names of services.

    bash: source <(nodeproxy completion bash). zsh: the same, after compinit. fish: nodeproxy completion fish | source.
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="nodeproxy", complete_var=COMPLETE, shell=shell.value))
