"""`python -m nodeproxy.cli.pages DIR`: writes the pages that are made from code into docs/."""

import sys
from pathlib import Path

from nodeproxy.cli.pages.commands_page import commands_page
from nodeproxy.cli.pages.reasons_page import with_reasons
from nodeproxy.cli.pages.settings_page import settings_page

TROUBLESHOOTING = "troubleshooting.md"


def generated(troubleshooting: str) -> dict[str, str]:
    """The pages by name; `troubleshooting` is the present page, of which only the sections of reasons are made."""
    return {
        "cli.md": commands_page(),
        "settings.md": settings_page(),
        TROUBLESHOOTING: with_reasons(troubleshooting),
    }


def write(folder: Path) -> None:
    """Write them into `folder`."""
    for name, text in generated((folder / TROUBLESHOOTING).read_text()).items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
