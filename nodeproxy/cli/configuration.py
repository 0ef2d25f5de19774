"""The settings as a command reads them, and the options that many commands have."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nodeproxy.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigFile = Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")]


def read_settings(config: Path | None, flags: dict[str, Any]) -> "Settings":
    """The settings in force; exits with status 2 and one line per invalid setting."""

    from nodeproxy.settings_file import UnusableSettings, read  # a tenth of a second; help and completion need none

    try:
        return read(config, flags)
    except UnusableSettings as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def run_dir_of(config: Path | None) -> str:
    """The directory with the socket of the running node, "" if none is set; exits as `read_settings`."""
    return read_settings(config, {}).run_dir
