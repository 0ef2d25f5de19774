"""What the commands of the benchmark share: folders, programs of the peers, lists of names, and how a run fails."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtest.builds import environment_of
from loadtest.errors import FaultyError
from loadtest.record_file import save
from loadtest.toolbox import HERE, REPOSITORY, Toolbox

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BOTH_READMES = (REPOSITORY / "README.md", HERE / "README.md")
OWN_README = BOTH_READMES[1:]
RESULTS = HERE / "results"

PeerBin = Annotated[
    Path | None, typer.Option(envvar="LOADTEST_PEER_BIN", help="Folder to look for the peers' programs in first.")
]
Out = Annotated[Path, typer.Option(help="Folder of the results.")]


def toolbox(peer_bin: Path | None) -> Toolbox:
    """The programs' places: in the cache, and in this folder first."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Toolbox(caches / "nodeproxy" / "bench", peer_bin)


def measuring(peer_bin: Path | None) -> Toolbox:
    """The same; from now on nodeproxy runs compiled, which is done first where its sources are new."""
    tools = toolbox(peer_bin)
    os.environ.update(environment_of("compiled", tools))
    return tools


def chosen(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The names written with commas between them.

    Raises: BadParameter for one that is not known.
    """
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{', '.join(unknown)}: not among {', '.join(known)}")
    return names


def refuse(faults: Sequence[str], seen: "DataclassInstance", out: Path) -> None:
    """Save a run with faults as failed.json, beside the last good one.

    Raises: FaultyError when there are any.
    """
    if faults:
        save(seen, out / "failed.json")
        raise FaultyError("\n".join([*faults, f"these numbers mean nothing; they are in {out / 'failed.json'}"]))
