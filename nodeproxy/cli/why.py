"""`nodeproxy why`: what a reason of an error means, what causes it, how to check that and what to do. Needs no node."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from json import dumps
from typing import Annotated, NamedTuple

import typer

from nodeproxy.cli.configuration import Json
from nodeproxy.mesh.reasons import REASONS


class Explained(NamedTuple):
    """A reason of an error, for the operator."""

    what: str
    """What happened and the first thing to do, in one sentence."""
    why: str
    """What causes it."""
    check: str
    """The command that shows which cause it is, with the service `reviews.shop` as example."""
    do: str
    """The cure."""


@cache
def explained() -> Mapping[str, Explained]:
    """Every reason, sorted."""
    from yaml import safe_load

    texts = safe_load(files("nodeproxy.cli").joinpath("reasons.yaml").read_text())
    return {name: Explained(REASONS[name], **texts[name]) for name in sorted(texts)}


def _complete(beginning: str) -> list[str]:
    return [name for name in REASONS if name.startswith(beginning)]


def why(
    reason: Annotated[
        str,
        typer.Argument(metavar="[REASON]", help="The value of x-mesh-error.", autocompletion=_complete),
    ] = "",
    json: Json = False,
) -> None:
    """Explain the reason of an error, or list all reasons.

    A reason is the value of the field x-mesh-error, of `reason` in metrics and in the logs.
    """
    name = reason.partition(":")[0]  # a custom policy adds its name
    if name and name not in REASONS:
        near = ", ".join(get_close_matches(name, REASONS)) or "`nodeproxy why` lists all"
        typer.echo(f"no error has the reason {name}; {near}", err=True)
        raise typer.Exit(2)
    shown = {name: explained()[name]} if name else explained()
    if json:
        typer.echo(dumps({each: text._asdict() for each, text in shown.items()}, indent=2))
    elif name:
        typer.echo("\n".join(_section(name, shown[name])))
    else:
        for each, text in shown.items():
            typer.echo(f"{each}\n    {text.what}")


def _section(name: str, text: Explained) -> Iterator[str]:
    yield f"{name}: {text.what}"
    for title, words in (("Why", text.why), ("Check", text.check), ("Do", text.do)):
        yield from ("", title, f"    {words}")
