"""The drain of an HTTP/2 client's connection: two GOAWAY, the second when the client has heard of the first.

Source: RFC 9113, 6.8.
"""

from nodeproxy.multiplex.link import Link

LAST_STREAM = 2**31 - 1
DRAIN_S = 1.0  # for a client to have received that no new stream is wanted, at most
_PING = b"draining"


class Drain:
    """Of one connection: wanted first, announced once it may speak, and effective a round trip later."""

    __slots__ = ("_link", "last_accepted", "wanted")

    def __init__(self, link: Link) -> None:
        self.wanted = False
        self.last_accepted = LAST_STREAM
        """Streams above it are ignored."""
        self._link = link

    @property
    def effective(self) -> bool:
        """Whether new streams are ignored, and the client knows the last one that is not."""
        return self.last_accepted != LAST_STREAM

    def announce(self) -> None:
        """Let the client know that no new stream is wanted, and ask it to confirm that."""
        self._link.going_away(LAST_STREAM)
        self._link.ping(_PING)

    def heard(self, opaque: bytes) -> bool:
        """Whether the answer to a PING with these bytes confirms the announcement."""
        return self.wanted and opaque == _PING

    def take_effect(self, last: int) -> None:
        """Ignore streams above `last`, the last one that the client has opened."""
        self.last_accepted = last
        self._link.going_away(last)
