"""Whether a file can hold settings at all; what they are worth is `settings`' to say."""

from pathlib import Path

import yaml


class UnusableFile(Exception):
    """It cannot be read, or holds something else; the text says what."""


def check_file(path: Path) -> None:
    """Read `path` as settings are read from it.

    Raises:
        UnusableFile: it is no file of ours to read, no YAML, or not names with values.
    """
    try:
        if not path.exists():
            raise UnusableFile("no such file")
        if not path.is_file():
            raise UnusableFile("it is no regular file")
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableFile(f"it cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UnusableFile(f"it is no YAML{place}: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnusableFile("it is no YAML in UTF-8") from error
    if found is not None and not (isinstance(found, dict) and all(isinstance(name, str) for name in found)):
        raise UnusableFile("it holds no settings; write each as `name: value`")
