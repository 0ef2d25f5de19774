"""Asks the control process of the running node over its Unix socket."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPResponse

LIMIT_S = 30.0  # as long as the control process takes for a page at most


class NoAnswer(Exception):
    """The control process does not answer; the text has the reason and what to check."""


def ask(run_dir: str, page: str, limit_s: float = LIMIT_S) -> bytes:
    """The JSON of a page, such as `status`, with its query.

    Raises:
        NoAnswer: `run_dir` is "", no control process listens there, or it refuses: then with its own words.
    """
    with _answered(run_dir, page, limit_s) as answer:
        return answer.read()


def lines(run_dir: str, page: str) -> Generator[bytes, None, None]:
    """The lines of a stream, such as `tap`, as they come; they end when the control process ends the stream or itself.

    Raises:
        NoAnswer: as `ask`.
    """
    with _answered(run_dir, page, LIMIT_S, quiet=True) as answer:
        yield from answer


@contextmanager
def _answered(run_dir: str, page: str, limit_s: float, *, quiet: bool = False) -> "Iterator[HTTPResponse]":
    """A response of status 200. With `quiet`, any time may pass between its bytes."""
    import http.client  # here, because it takes 50 ms that help does not need
    import socket

    from nodeproxy.mesh.node_view import SOCKET

    if not run_dir:
        raise NoAnswer(
            "the setting run_dir is empty, and is where the running node is found: export NODEPROXY_RUN_DIR=DIR, for"
            " `nodeproxy run` and for this command"
        )
    path = str(Path(run_dir) / SOCKET)
    connection = http.client.HTTPConnection("node", timeout=limit_s)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(limit_s)
        connection.sock.connect(path)
        connection.request("GET", f"/{page}")
        own = connection.sock  # the response takes it from the connection
        answer = connection.getresponse()
        if answer.status != 200:
            raise NoAnswer(answer.read().decode(errors="replace").strip())
        if quiet:
            own.settimeout(None)
        with answer:
            yield answer
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"{path}: {error}; check that nodeproxy runs and that this user is its user") from error
    finally:
        connection.close()
