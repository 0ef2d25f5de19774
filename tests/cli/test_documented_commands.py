"""Every `nodeproxy` command line of the documentation is one that the command line understands."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from nodeproxy.cli.commands import COMMANDS, app
from nodeproxy.cli.why import explained

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINE = re.compile(r"^(?: {4,}(?:\S.*-- )?| *\$ )nodeproxy ([a-z-]+(?: .*)?)$", re.MULTILINE)
GENERATED = {"cli.md"}


def lines():
    """The command lines of all pages, without comments; of a usage (`[NAME]`, `up|down`) the shortest."""
    for page in PAGES:
        for found in LINE.findall(page.read_text()) if page.name not in GENERATED else ():
            shortest = re.sub(r"(\S)\|\S+", r"\1", re.sub(r"\[[^ ].*?\](?= |$|\])\]?", "", found))
            yield page.name, shlex.split(shortest, comments=True)
    for reason, text in explained().items():
        program, *words = text.check.split()
        if program == "nodeproxy":
            yield reason, words


@pytest.mark.parametrize(("page", "words"), [pytest.param(*each, id=" ".join(each[1])) for each in lines()])
def test_a_documented_command_is_understood(page, words):
    name, *arguments = words

    assert name in COMMANDS, f"{page}: no command {name}"
    get_command(app).commands[name].make_context(name, arguments)  # raises what the user would read


def test_commands_are_found_in_readme_and_pages():
    assert {"README.md", "diagnose.md", "commands.md", "troubleshooting.md"} <= {page for page, _ in lines()}
