"""Which build of nodeproxy runs: its version, that of Python, and how much of the hot lane is compiled.

It is found without an import of the data plane: the control process says it too.
"""

from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from importlib.util import find_spec
from platform import python_version
from typing import Literal, NamedTuple

Lane = Literal["compiled", "c-helpers", "python"]
"""By mypyc, with the C helpers; only the C helpers, i.e. the twins of codecs and system calls; nothing."""


class Build(NamedTuple):
    """What runs."""

    version: str = ""
    python: str = ""
    lane: str = ""
    """See `Lane`; "" where it is not known."""

    def __str__(self) -> str:
        return f"nodeproxy {self.version}, Python {self.python}, {self.lane}"


def lane() -> Lane:
    """How the hot lane runs in this installation."""
    if not _is_compiled("nodeproxy.io.twin"):
        return "python"
    return "compiled" if _is_compiled("nodeproxy.exchange.exchange") else "c-helpers"


@cache
def this_build() -> Build:
    """The build of this installation. Found once: reading the metadata of a package takes 1.2 MiB."""
    return Build(version("nodeproxy"), python_version(), lane())


def _is_compiled(module: str) -> bool:
    found = find_spec(module)
    return found is not None and (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES))
