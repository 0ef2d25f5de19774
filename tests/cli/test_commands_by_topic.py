"""All commands: each explains itself in a line that fits, and those that show something answer programs too."""

import inspect

import pytest
from typer.main import get_command

from nodeproxy.cli.commands import COMMANDS, app

LINE = 80
WITHOUT_JSON = {"run", "cluster-dns", "demo", "completion", "schema", "new-policy"}
"""They start something, make something, or print a text that is for programs already."""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_whole_first_sentence_of_each(name):
    first = inspect.getdoc(COMMANDS[name]).partition("\n")[0]

    listed = get_command(app).get_help(get_command(app).make_context("nodeproxy", [], resilient_parsing=True))

    assert first.endswith(".") and first in listed
    assert all(len(line) <= LINE for line in listed.splitlines())


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - WITHOUT_JSON))
def test_what_is_shown_for_people_has_a_form_for_programs(name):
    options = [option for parameter in get_command(app).commands[name].params for option in parameter.opts]

    assert "--json" in options
