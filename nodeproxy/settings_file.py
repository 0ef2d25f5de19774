"""Reads the settings of a process from flags, the environment and a file, and says what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from nodeproxy.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_MOST = 100  # characters of an invalid value: enough to find it


class UnusableSettings(Exception):
    """The settings cannot be used; the text has a line per reason."""


class UnusableFile(UnusableSettings):
    """The settings file cannot be used; the text has the reason."""


def read(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """The settings in force: `flags` win, then the environment, then the YAML file `config`.

    Raises:
        UnusableSettings: the file cannot be used, or settings are invalid.
    """

    class FromFile(Settings):
        model_config = SettingsConfigDict(yaml_file=config)

    try:
        if config is not None:
            check_file(config)
        return FromFile(**flags)  # type: ignore[arg-type]
    except UnusableFile as error:
        raise UnusableSettings(f"--config {config}: {error}") from error
    except ValidationError as error:
        raise UnusableSettings("\n".join(map(_sentence, error.errors(include_url=False)))) from error


def check_file(path: Path) -> None:
    """Check that settings can be read from `path`.

    Raises:
        UnusableFile: `path` is not a readable regular file, not YAML in UTF-8, or not a mapping of names to values.
    """
    try:
        if not path.exists():
            raise UnusableFile("no such file")
        if not path.is_file():
            raise UnusableFile("not a regular file")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableFile(f"cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UnusableFile(f"not YAML{place}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnusableFile("not YAML in UTF-8") from error
    if found is not None and not (isinstance(found, dict) and all(isinstance(name, str) for name in found)):
        raise UnusableFile("contains no settings; write each as `name: value`")


def _sentence(detail: "ErrorDetails") -> str:
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        text = "unknown setting; `nodeproxy settings` lists all"
    if not detail["loc"]:  # a conflict between settings
        return f"settings: {text}"
    shown = repr(detail["input"])
    shown = shown if len(shown) <= SHOWN_MOST else shown[:SHOWN_MOST] + "…"
    return f"setting {'.'.join(map(str, detail['loc']))}: {text}, got {shown}"
