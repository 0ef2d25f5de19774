"""Sends a piece of a body that does not fit at once: in turns with other streams, as the windows and the peer allow."""

from typing import TYPE_CHECKING

from nodeproxy.io.calls import park
from nodeproxy.multiplex.carrier import Carrier
from nodeproxy.protocol.http2.codes import FRAME_BYTES

if TYPE_CHECKING:
    from nodeproxy.multiplex.stream import Stream

FRAMES_ALONE = 4  # of a body that are put in a row where no other stream waits: they fill the room of the outbox


async def write(stream: "Stream", link: Carrier, data: bytes, ended: bool) -> None:
    """See `Stream.write`; `link` is that of `stream`. Streams with much to send have turns of one frame each."""
    piece, outbox, frames = memoryview(data), link.outbox, 0
    stream.writer = outbox.reactor.current
    while not stream.closed:
        room = min(stream.send_window, link.send_window, FRAME_BYTES, len(piece))
        if piece and (room <= 0 or (link.starved and stream not in link.starved)):
            frames = 0
            await _allowed(stream, link)
        elif outbox.room and frames < (1 if link.crowded else FRAMES_ALONE):
            stream.put(piece[:room], room, ended and room == len(piece))
            piece, frames = piece[room:], frames + 1
            if not piece:
                return
        else:
            frames = 0
            await outbox.turn()
    outbox.pass_on()
    if stream.error is not None:
        raise stream.failure()


async def _allowed(stream: "Stream", link: Carrier) -> None:
    """Wait for both windows. May be spurious."""
    link.outbox.pass_on()
    if stream.send_window > 0:
        link.starved.setdefault(stream)
    else:
        link.fed(stream)
    try:
        await park()
    except BaseException:
        link.fed(stream)
        raise
