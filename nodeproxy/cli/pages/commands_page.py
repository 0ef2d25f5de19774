"""docs/cli.md: every command with its arguments and options, as `--help` has them."""

import inspect
from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.main import get_command

from nodeproxy.cli.commands import COMMANDS, app
from nodeproxy.cli.pages.markdown import GENERATED, prose, table

INTRODUCTION = """
# Commands

Every command of `nodeproxy`; `kubectl mesh` has the same ones. Which answers which question:
[ten questions](commands.md). The commands that show a node ask its control process over a socket in the setting
`run_dir`; `--node NAME` asks another node. The exit status is 0, or 1 where the answer is bad or there is none, or 2
where the command cannot be understood.
"""


def commands_page() -> str:
    """The page."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    head = GENERATED.format(source="nodeproxy/cli")
    found = {name: command for name, command in group.commands.items() if isinstance(command, TyperCommand)}
    return head + INTRODUCTION + "".join(_section(name, found[name]) for name in COMMANDS)


def _section(name: str, command: TyperCommand) -> str:
    context = typer.Context(command, info_name=f"nodeproxy {name}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"\n## {name}\n", f"    {usage}\n", f"{prose(inspect.getdoc(COMMANDS[name]) or '')}\n"]
    rows = list(_rows(command))
    if rows:
        parts.append(table(("argument or option", "meaning", "default"), rows))
    return "\n".join(parts)


def _rows(command: TyperCommand) -> Iterator[tuple[str, str, str]]:
    for each in command.params:
        if getattr(each, "hidden", False):  # what a command says to its like on another node
            continue
        words = getattr(each, "help", None) or ""
        if isinstance(each, TyperArgument):
            yield f"`{each.metavar or (each.name or '').upper()}`", words, ""
            continue
        names = ", ".join(f"`{name}`" for name in (*each.opts, *each.secondary_opts))
        yield names, words, f"`{each.default}`" if _says_something(each.default) else ""


def _says_something(default: object) -> bool:
    return isinstance(default, str | int | float) and not isinstance(default, bool) and default != ""
