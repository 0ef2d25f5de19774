"""Pictures of the tour for docs/tour.md: the page of the demo's node at one moment of each step, and in Chromium.

The demo is stopped while its picture is taken; its mesh runs on.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser

from loadtest.errors import BenchmarkError
from loadtest.page_pictures import Picture, compressed, opened
from tests.page.mesh import chromium

MOMENT_S = 1.5  # for the workers' reports, once a second, and the page's next event
_PAGE = re.compile(r"The page of the node, in a browser: +(http://\S+/)")


class Moment(NamedTuple):
    """A line of the tour, and what is pictured then."""

    line: str
    pictures: tuple[Picture, ...]


MOMENTS = (
    Moment("nodeproxy services", (Picture("tour-healthy", "services"),)),
    Moment("A retry at the other endpoint hid each failure.", (Picture("tour-broken", "service/reviews.shop"),)),
    Moment("The new version is not wanted", (Picture("tour-canary-dark", "service/reviews.shop", scheme="dark"),)),
    Moment("a limit for each caller", (Picture("tour-flood", "errors"),)),
    Moment(
        "nodeproxy diagnose orders.shop",
        (
            Picture("tour-explained", "errors"),
            Picture("tour-explained-dark", "errors", scheme="dark"),
            Picture("tour-explained-phone", "errors", "phone"),
        ),
    ),
)


def take(out: Path, say: Callable[[str], None]) -> None:
    """Runs the tour and writes the pictures into `out`.

    Raises:
        BenchmarkError: the tour ended before all of them were taken.
    """
    out.mkdir(parents=True, exist_ok=True)
    moments, address = list(MOMENTS), ""
    with chromium() as browser, demo() as (process, lines):
        for line in lines:
            say(line.rstrip())
            if found := _PAGE.search(line):
                address = found[1].rstrip("/")
            if moments and moments[0].line in line:
                with stopped(process):
                    for picture in moments.pop(0).pictures:
                        (out / f"{picture.name}.webp").write_bytes(_taken(browser, address, picture))
    if moments:
        raise BenchmarkError(f"the tour has ended without the line {moments[0].line!r}")


@contextmanager
def demo() -> Iterator[tuple["subprocess.Popen[str]", Iterator[str]]]:
    """The tour, and its lines as they come."""
    command = [sys.executable, "-u", "-m", "nodeproxy.demo", "--quick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "140"}) as process:
        assert process.stdout is not None
        try:
            yield process, iter(process.stdout)
        finally:
            process.terminate()


@contextmanager
def stopped(process: "subprocess.Popen[str]") -> Iterator[None]:
    """The process stands still for the block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _taken(browser: Browser, address: str, picture: Picture) -> bytes:
    with opened(browser, address, picture) as page:
        page.wait_for_timeout(MOMENT_S * 1000)
        return compressed(page, page.screenshot())
