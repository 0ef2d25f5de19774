"""The connection of a stream, as far as the stream uses it."""

from typing import TYPE_CHECKING, Protocol

from nodeproxy.io.outbox import Outbox
from nodeproxy.protocol.http2.limits import Floods

if TYPE_CHECKING:
    from nodeproxy.multiplex.stream import Stream


class Carrier(Protocol):
    """See `link.Link`."""

    outbox: Outbox
    send_window: int
    starved: dict["Stream", None]
    """Streams that wait for the window of the connection, in the order of their turns."""
    prefix: bytes
    """What the next header block begins with."""
    floods: Floods
    """Which counts what the stream sends."""

    @property
    def crowded(self) -> bool:
        """Whether it has several streams."""
        ...

    def fed(self, stream: "Stream") -> None: ...

    def forget(self, stream: "Stream") -> None: ...
