"""Server-sent events: their text, and events that several streams send, made once."""

from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic

import anyio
import msgspec

from discovery.observe.streams import Send

CONTENT_TYPE = "text/event-stream"
NO_STORE = "Cache-Control: no-store\r\n"
BEGIN = b"retry: 2000\n\n"
SILENCE_S = 15.0  # between two lines: proxies on the way end what is silent for longer
KEPT = 8  # events for a reader that is behind; one further behind begins anew


def event(name: str, data: object) -> bytes:
    """An event with `data` as JSON, which has no line end in it."""
    return event_of(name, msgspec.json.encode(data))


def event_of(name: str, data: bytes) -> bytes:
    """An event with this text, of one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


class Beats:
    """Sends what there is, and a comment where there has been nothing for SILENCE_S seconds."""

    def __init__(self, send: Send, now: Callable[[], float] = monotonic) -> None:
        self._send = send
        self._now = now
        self._sent_at = now()

    async def send(self, lines: bytes) -> None:
        """Raises OSError if the reader has gone or is slow."""
        now = self._now()
        if not lines and now - self._sent_at >= SILENCE_S:
            lines = b": \n\n"
        if lines:
            self._sent_at = now
            await self._send(lines)


class Feed:
    """The newest events of one kind, numbered; its readers wait for the next one."""

    def __init__(self) -> None:
        self.number = 0
        """Of the newest event."""
        self.readers = 0
        self.kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        """The newest events with their numbers."""
        self._news = anyio.Event()
        self._wanted = anyio.Event()

    def __enter__(self) -> "Feed":
        self.readers += 1
        self._wanted.set()
        return self

    def __exit__(self, *_: object) -> None:
        self.readers -= 1

    async def until_wanted(self) -> None:
        """Waits until there is a reader."""
        while not self.readers:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    def put(self, text: bytes) -> None:
        """Adds an event."""
        self.number += 1
        self.kept.append((self.number, text))
        self._news.set()
        self._news = anyio.Event()

    async def after(self, number: int, limit_s: float = SILENCE_S) -> Iterable[bytes] | None:
        """The events after this one; waits for one, at most `limit_s` seconds. None if some are not kept any more."""
        if self.number == number:
            with anyio.move_on_after(limit_s):
                await self._news.wait()
        if self.kept and self.kept[0][0] > number + 1:
            return None
        return [text for each, text in self.kept if each > number]
