"""docs/tutorial.md, word for word: its commands in one shell, in an empty environment, with the outputs it shows."""

from pathlib import Path

import pytest

from tests.fakes.page_commands import PageCommands, prints

ROOT = Path(__file__).parents[2]
PAGE = PageCommands((ROOT / "docs" / "tutorial.md").read_text())


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each block of commands prints."""
    folder = tmp_path_factory.mktemp("tutorial")
    printed = PAGE.run(ROOT, {"PATH": "/usr/bin:/bin", "TMPDIR": str(folder), "HOME": str(folder)})
    assert [*folder.iterdir()] == [], "the tutorial leaves nothing behind"
    return printed


@pytest.mark.parametrize(("command", "shown"), PAGE.shown, ids=[each.splitlines()[-1][:60] for each, _ in PAGE.shown])
def test_a_block_prints_what_the_tutorial_shows(printed, command, shown):
    assert prints(printed[command], shown), printed[command]


def test_the_tutorial_shows_outputs_and_ends_with_a_canary_that_is_rolled_back():
    assert len(PAGE.shown) >= 12
    assert PAGE.shown[-1][1].endswith("    100 hello from v1\n")
