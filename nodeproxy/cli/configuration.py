"""The settings as a command reads them, and the options that many commands have."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from nodeproxy.settings import Settings

SHOWN_MOST = 100  # characters of an invalid value: enough to find it

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigFile = Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")]


def read_settings(config: Path | None, flags: dict[str, Any]) -> "Settings":
    """The settings in force; exits with status 2 and one line per invalid setting."""

    # here, because pydantic takes a tenth of a second, and help and completion need no settings
    from pydantic import ValidationError
    from pydantic_settings import SettingsConfigDict

    from nodeproxy.settings import Settings
    from nodeproxy.settings_file import UnusableFile, check_file

    class FromFile(Settings):
        model_config = SettingsConfigDict(yaml_file=config)

    try:
        if config is not None:
            check_file(config)
        return FromFile(**flags)
    except UnusableFile as error:
        typer.echo(f"--config {config}: {error}", err=True)
        raise typer.Exit(2) from error
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            typer.echo(_sentence(detail), err=True)
        raise typer.Exit(2) from error


def run_dir_of(config: Path | None) -> str:
    """The directory with the socket of the running node, "" if none is set; exits as `read_settings`."""
    return read_settings(config, {}).run_dir


def _sentence(detail: "ErrorDetails") -> str:
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        text = "unknown setting; `nodeproxy settings` lists all"
    if not detail["loc"]:  # a conflict between settings
        return f"settings: {text}"
    shown = repr(detail["input"])
    shown = shown if len(shown) <= SHOWN_MOST else shown[:SHOWN_MOST] + "…"
    return f"setting {'.'.join(map(str, detail['loc']))}: {text}, got {shown}"
