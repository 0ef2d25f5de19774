"""docs/howto: every command of the pages answers on a real node, and every table of them is accepted."""

import re
from pathlib import Path

import pytest

from tests.fakes.node import command, service
from tests.system.test_commands_page import claims, scene

PAGES = {path.stem: path.read_text() for path in (Path(__file__).parents[2] / "docs" / "howto").glob("*.md")}
BLOCKS = [
    (page, words, shown)
    for page, text in sorted(PAGES.items())
    for words, shown in re.findall(r"```console\n *\$ nodeproxy (.*?)\n(.*?)```", text, re.DOTALL)
]
TABLES = [
    (page, table) for page, text in sorted(PAGES.items()) for table in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
]
OFFLINE = {"check", "why"}
BREAKS = {"diagnose reviews-v2.shop", "diagnose reviews.shop --from shop/cart"}
"""What is broken here, by status 1: that service is down, and a folder has no pods, so no caller is known."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each command answers on the node of docs/commands.md, whose `reviews-v2.shop` is down."""
    folder = tmp_path_factory.mktemp("howto") / "mesh"
    folder.mkdir()
    with scene(folder) as ask:
        return {words: _answer(ask, folder, words) for _, words, _ in BLOCKS}


def _answer(ask, folder, words):
    given = words.replace("DIR", str(folder)).split()
    return command(*given) if given[0] in OFFLINE else ask(*given)


def test_the_pages_have_commands_and_tables():
    assert BLOCKS and {page for page, _ in TABLES} == PAGES.keys() - {"debug-a-503"}


@pytest.mark.parametrize(("page", "words", "shown"), BLOCKS, ids=[f"{page}: {words}" for page, words, _ in BLOCKS])
def test_a_command_of_a_page_answers_as_it_is_shown(answers, page, words, shown):
    done = answers[words]

    assert done.returncode == (words in BREAKS), done.stdout + done.stderr
    actual = " ".join(done.stdout.split())
    assert actual
    for line in shown.splitlines():
        assert all(part in actual for part in claims(line)), (line, done.stdout)


@pytest.mark.parametrize(("page", "table"), TABLES, ids=[page for page, _ in TABLES])
def test_a_table_of_a_page_is_accepted_for_the_services_that_it_names(tmp_path, page, table):
    (tmp_path / "reviews.yaml").write_text(service("reviews", 8080))
    (tmp_path / "v2.yaml").write_text(service("reviews-v2", 8081, cluster_ip="10.96.0.10"))
    (tmp_path / "policy.yaml").write_text(table)

    done = command("check", str(tmp_path))

    assert (done.returncode, "0 errors, 0 warnings" in done.stdout) == (0, True), done.stdout
