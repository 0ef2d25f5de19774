"""/api/tap: the tap of the command line as server-sent events."""

from functools import partial

from discovery.observe.page.events import BEGIN, CONTENT_TYPE, NO_STORE, Beats, event_of
from discovery.observe.server import Asked, Page
from discovery.observe.streams import Send, Stream
from discovery.observe.tap import TapPage

_END = b'{"type":"end"'


class TapApi:
    """The stream: an event `line` for each line of /tap, `end` for the last."""

    def __init__(self, tap: TapPage) -> None:
        self._tap = tap

    async def __call__(self, asked: Asked) -> Page | Stream:
        """The stream, or why there is none."""
        answer = await self._tap(asked)
        return answer if isinstance(answer, Page) else Stream(partial(_run, answer), CONTENT_TYPE, NO_STORE)


async def _run(tap: Stream, send: Send) -> None:
    beats = Beats(send)

    async def send_events(lines: bytes) -> None:
        await beats.send(b"".join(map(_event, lines.splitlines())))

    await beats.send(BEGIN)
    await tap.run(send_events)


def _event(line: bytes) -> bytes:
    return event_of("end" if line.startswith(_END) else "line", line)
