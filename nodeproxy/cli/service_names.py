"""The argument that names a service, and its completion from the running node."""

from typing import Annotated

import typer

from nodeproxy.cli.configuration import run_dir_of

COMPLETION_LIMIT_S = 2.0  # a person waits for the key to answer


def _complete(beginning: str) -> list[str]:
    """The services of the running node that begin so; none if there is no answer: a shell shows no errors here."""
    import msgspec

    from nodeproxy.cli.control_socket import NoAnswer, ask
    from nodeproxy.mesh.node_view import PortView

    try:
        text = ask(run_dir_of(None), "services?all", COMPLETION_LIMIT_S)
        views = msgspec.json.decode(text, type=list[PortView])
    except (NoAnswer, msgspec.DecodeError, typer.Exit):
        return []
    names = sorted({f"{each.service}.{each.namespace}" for each in views})
    return [name for name in names if name.startswith(beginning)]


SERVICE_HELP = "reviews.shop or shop/reviews, :PORT if wanted."
Service = Annotated[str, typer.Argument(metavar="SERVICE", help=SERVICE_HELP, autocompletion=_complete)]
MaybeService = Annotated[str, typer.Argument(metavar="[SERVICE]", help=SERVICE_HELP, autocompletion=_complete)]
