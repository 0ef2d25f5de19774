"""`nodeproxy page`: where the page of a node is."""

import sys
from typing import Annotated

import typer

from nodeproxy.cli.asking import KubeFile, OnNode
from nodeproxy.cli.configuration import ConfigFile, Json, read_settings


def page(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Local port for --node; 0: any.")] = 0,
    json: Json = False,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
) -> None:
    """Print the address of the node's page for browsers.

    With --node, a local port is forwarded to the page of that node through the API server, until Ctrl-C.
    """
    from nodeproxy.setting_text import split_address

    address = read_settings(config, {}).page
    if not address:
        typer.echo("the setting page is empty: there is no page; set it to 127.0.0.1:9070", err=True)
        raise typer.Exit(1)
    if not node:
        _print(f"http://{address}/", json)
        return
    import asyncio

    from nodeproxy.cli.forward import forward  # the Kubernetes client costs a second and 45 MiB
    from nodeproxy.cli.remote import NotReached

    def ready(local: int) -> None:
        _print(f"http://127.0.0.1:{local}/", json)

    def say(why: str) -> None:
        typer.echo(why, err=True)

    try:
        asyncio.run(forward(node, (port, split_address(address)[1]), kubeconfig, ready, say))
    except KeyboardInterrupt:
        return
    except (NotReached, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _print(address: str, json: bool) -> None:
    from json import dumps

    typer.echo(dumps({"address": address}) if json else address)
    sys.stdout.flush()
