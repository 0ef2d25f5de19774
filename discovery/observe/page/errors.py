"""/api/errors: the newest failures with their reasons in plain words; /api/words: all reasons."""

from collections.abc import Iterable

import anyio
import msgspec

from discovery.observe.page.events import BEGIN, CONTENT_TYPE, NO_STORE, Beats, event
from discovery.observe.pages import JSON
from discovery.observe.server import Asked, Page
from discovery.observe.streams import Send, Stream
from discovery.workers.recent_failures import RecentFailures
from nodeproxy.mesh.failures import Failure
from nodeproxy.mesh.reasons import REASONS, reason_anchor, reason_words

BATCH_S = 0.5  # failures of this time are one event
LOOK_S = 5.0


class ErrorLine(msgspec.Struct, frozen=True):
    """One failure."""

    time: float
    service: str
    """`<service>.<namespace>`, "" for a request that reached no service."""
    port: str
    status: int
    reason: str
    words: str
    caller: str
    method: str
    path: str
    attempts: int
    endpoint: str
    docs: str
    """Where the documentation describes the reason, "" for a response of an endpoint."""


class ErrorsNow(msgspec.Struct, frozen=True):
    """The newest first."""

    errors: list[ErrorLine]
    left_out: int
    """How many failures workers have not sent, beyond their rate."""


class ErrorsApi:
    """The page, or with `stream` in its query the stream: what is kept at first, then batches of new ones."""

    def __init__(self, failures: RecentFailures) -> None:
        self._failures = failures

    async def __call__(self, asked: Asked) -> Page | Stream:
        """See above."""
        if "stream" in asked.query:
            return Stream(self._run, CONTENT_TYPE, NO_STORE)
        return Page(200, msgspec.json.encode(self._after(0)), JSON, NO_STORE)

    async def _run(self, send: Send) -> None:
        beats, number = Beats(send), self._failures.number
        left_out = self._failures.left_out
        await beats.send(BEGIN + event("errors", self._after(0)))
        while True:
            await self._failures.news(number, LOOK_S)
            await anyio.sleep(BATCH_S)
            if self._failures.number == number and self._failures.left_out == left_out:
                await beats.send(b"")
                continue
            new = event("errors", self._after(number))
            number, left_out = self._failures.number, self._failures.left_out
            await beats.send(new)

    def _after(self, number: int) -> ErrorsNow:
        return ErrorsNow(list(error_lines(self._failures.after(number))), self._failures.left_out)


def error_lines(failures: Iterable[Failure]) -> Iterable[ErrorLine]:
    """The failures as the page shows them."""
    for each in failures:
        key, _, port = each.service_port.rpartition(":")
        namespace, _, name = key.partition("/")
        yield ErrorLine(
            each.time,
            f"{name}.{namespace}" if name else "",
            port,
            each.status,
            each.reason,
            reason_words(each.reason, each.status),
            each.caller,
            each.method,
            each.path,
            each.attempts,
            each.endpoint,
            reason_anchor(each.reason),
        )


async def words(_asked: Asked) -> Page:
    """The sentence of each reason."""
    return Page(200, msgspec.json.encode({"reasons": REASONS}), JSON, NO_STORE)
