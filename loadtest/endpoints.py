"""What answers behind the peers, on the generator's core: nginx for HTTP/1.1, nghttpd for HTTP/2, and a gRPC server."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtest.errors import NotStartedError
from loadtest.machine import GENERATOR_CORE, free_ports
from loadtest.peer import GRPC, HTTP2, Endpoints, answers, user_line, wait_until, write_configuration
from loadtest.process import running
from loadtest.toolbox import HERE, Toolbox

BODY_BYTES = 10 * 1024 * 1024
SMALL_BODY = b"sixty-four bytes, as short an answer as a service really gives.\n"
STREAMS = 1024  # of one connection to nghttpd at once: no peer waits for a stream in h2flood


@contextmanager
def endpoints(toolbox: Toolbox, folder: Path, protocols: frozenset[str] = frozenset()) -> Iterator[Endpoints]:
    """The endpoints' ports. That of HTTP/1.1 always answers, HTTP/2 and gRPC if they are among `protocols`.

    Raises: NotInstalledError, NotStartedError.
    """
    ports = Endpoints(*free_ports(3))
    with ExitStack() as stack:
        stack.enter_context(_nginx(toolbox, folder, ports.http1))
        if HTTP2 in protocols:
            stack.enter_context(_nghttpd(toolbox, folder, ports.http2))
        if GRPC in protocols:
            command = (str(toolbox.python()), str(HERE / "grpc_endpoint.py"), str(ports.grpc))
            stack.enter_context(_listening("gRPC", command, folder, ports.grpc))
        yield ports


@contextmanager
def _nginx(toolbox: Toolbox, folder: Path, port: int) -> Iterator[None]:
    values = {"dir": str(folder / "backend"), "backend_port": str(port), "user_line": user_line()}
    write_configuration("backend", folder / "backend", values)
    (folder / "backend" / "files").mkdir()
    (folder / "backend" / "files" / "body").write_bytes(os.urandom(BODY_BYTES))
    command = (toolbox.find("nginx"), "-p", values["dir"], "-c", f"{values['dir']}/nginx.conf")
    log = folder / "backend.log"
    with running(command, GENERATOR_CORE, log, {}) as process:
        wait_until(lambda: answers(port, "/small"), process, log)
        yield


@contextmanager
def _nghttpd(toolbox: Toolbox, folder: Path, port: int) -> Iterator[None]:
    """nghttpd, because it needs 4 µs of CPU time per request with 4 x 8 streams, and nginx 12: less than any peer."""
    files = folder / "http2-files"
    files.mkdir()
    (files / "small").write_bytes(SMALL_BODY)
    options = ("--no-tls", "--address=127.0.0.1", "--workers=1", f"--max-concurrent-streams={STREAMS}")
    with _listening("nghttpd", (toolbox.find("nghttpd"), *options, f"--htdocs={files}", str(port)), folder, port):
        yield


@contextmanager
def _listening(name: str, command: tuple[str, ...], folder: Path, port: int) -> Iterator[None]:
    log = folder / f"{name}.log"
    with running(command, GENERATOR_CORE, log, {}) as process:
        try:
            wait_until(lambda: _accepts(port), process, log)
        except NotStartedError as error:
            raise NotStartedError(f"the endpoint {name} {error}") from error
        yield


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
