"""The command `nodeproxy diagnose`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nodeproxy.cli.asking import UNASKED, KubeFile, OnNode, Where, in_pod, printed
from nodeproxy.cli.configuration import ConfigFile, Json, read_settings
from nodeproxy.cli.control_socket import NoAnswer, ask

if TYPE_CHECKING:
    from rich.table import Table

    from nodeproxy.mesh.diagnosis import Diagnosis

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="reviews.shop, reviews.shop:8080, http://reviews.shop.mesh/x")
]
Caller = Annotated[
    str, typer.Option("--from", metavar="POD", help="A pod of the node, or NAMESPACE/WORKLOAD: its limits too.")
]


def diagnose(
    name: Name,
    caller: Caller = "",
    path: Annotated[str, typer.Option(help="Of the probe request.")] = "",
    json: Json = False,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
) -> None:
    """Walk from a name to a response, and say where it breaks.

    One sentence names the place and the cure. The exit status is 0 if nothing is broken, 1 if something is, 2 if the
    node cannot be asked. Sends one request.
    """
    where = Where(json, config, node, kubeconfig)
    try:
        found = _remote(name, caller, path, where) if node else _here(name, caller, path, where)
    except NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNASKED) from error
    if json:
        from msgspec.json import encode

        typer.echo(encode(found).decode())
    else:
        printed(_rows(found))
    raise typer.Exit(0 if found.healthy else 1)


def _here(name: str, caller: str, path: str, where: Where) -> "Diagnosis":
    from nodeproxy.cli.diagnosis import walk

    settings = read_settings(where.config, {})
    return walk.diagnose(walk.target_of(name, path, caller), settings, lambda page: ask(settings.run_dir, page))


def _remote(name: str, caller: str, path: str, where: Where) -> "Diagnosis":
    import msgspec

    from nodeproxy.mesh.diagnosis import Diagnosis

    options = [*(["--from", caller] if caller else []), *(["--path", path] if path else [])]
    text = in_pod(["diagnose", name, *options], where)
    try:
        return msgspec.json.decode(text, type=Diagnosis)
    except msgspec.DecodeError as error:
        raise NoAnswer(f"node {where.node} runs a version that answers otherwise: {error}") from error


def _rows(found: "Diagnosis") -> "Iterator[Table | str]":
    from nodeproxy.cli.node import table

    steps = table("step", "", "found")
    for step in found.steps:
        steps.add_row(step.name, step.state, step.text)
    yield steps
    yield found.sentence
