"""Processes that the benchmark starts, and ends: each in its own group, so that nothing of it is left behind."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtest.machine import pinned

STOP_S = 5.0  # for an orderly end; what is left then is killed


@contextmanager
def running(
    command: tuple[str, ...], core: int, log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The command on one core, its output in `log`; on leaving, it and all that it started are ended."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned(core, command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with suppress(ProcessLookupError):  # the group is gone when all ended well
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for an error's text."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-count:]) or "(it printed nothing)"
