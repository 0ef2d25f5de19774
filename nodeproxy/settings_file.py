"""Checks that a file is readable YAML with settings. `settings` validates the values."""

from pathlib import Path

import yaml


class UnusableFile(Exception):
    """The settings file cannot be used; the text has the reason."""


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
