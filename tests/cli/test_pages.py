"""docs/cli.md, docs/settings.md and docs/troubleshooting.md are those of the code."""

import re
from pathlib import Path

import pytest

from nodeproxy.cli.commands import COMMANDS
from nodeproxy.cli.live import UNTIL_STDIN_ENDS
from nodeproxy.cli.pages.__main__ import TROUBLESHOOTING, generated, write
from nodeproxy.cli.pages.markdown import prose
from nodeproxy.cli.pages.reasons_page import with_reasons
from nodeproxy.mesh.reasons import REASONS
from nodeproxy.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pages():
    return generated((DOCS / TROUBLESHOOTING).read_text())


@pytest.mark.parametrize("name", ["cli.md", "settings.md", TROUBLESHOOTING])
def test_no_page_is_stale(pages, name):
    assert (DOCS / name).read_text() == pages[name], f"docs/{name} is stale; run `make docs`"


def test_every_command_and_every_setting_has_its_place(pages):
    assert re.findall(r"^## (\S+)$", pages["cli.md"], re.MULTILINE) == list(COMMANDS)
    assert re.findall(r"^\| `(\w+)` \|", pages["settings.md"], re.MULTILINE) == list(Settings.model_fields)


def test_what_help_does_not_show_is_not_on_the_page_of_commands(pages):
    assert "`--node`" in pages["cli.md"] and UNTIL_STDIN_ENDS not in pages["cli.md"]


def test_the_anchor_of_each_section_is_its_reason(pages):
    reasons = pages[TROUBLESHOOTING].partition("\n## Reasons\n")[2]

    assert re.findall(r"^### (\S+)$", reasons, re.MULTILINE) == sorted(REASONS)


def test_a_page_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="reasons:begin"):
        with_reasons("# Troubleshooting\n")


def test_the_pages_are_written_anew(tmp_path):
    (tmp_path / TROUBLESHOOTING).write_text((DOCS / TROUBLESHOOTING).read_text())

    write(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {"cli.md", "settings.md", TROUBLESHOOTING}


def test_angle_brackets_are_no_markup_but_in_code():
    assert prose("name of <service>.mesh, `<service>`") == "name of &lt;service>.mesh, `<service>`"
