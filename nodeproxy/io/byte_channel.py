"""The interface of a connection for the layers above: bytes in both directions, whatever carries them."""

from typing import Protocol

from nodeproxy.errors import ProxyError


class Channel(Protocol):
    """A stream of bytes in both directions, with one reading and one writing task at a time."""

    @property
    def broken(self) -> type[ProxyError]:
        """The error that reads and writes raise."""
        ...

    async def recv(self) -> bytes:
        """Some bytes, as soon as there are any; b"" when the peer has ended its side.

        Raises:
            ProxyError: the connection is broken; the class identifies the side.
        """
        ...

    async def send(self, data: bytes) -> None:
        """Send all of `data`; waits while the peer does not read.

        Raises:
            ProxyError: the connection is broken; the class identifies the side.
        """
        ...

    def half_close(self) -> None:
        """End this side: the peer sees the end of the stream and may still send."""
        ...

    def close(self) -> None:
        """Close the connection at once. Idempotent."""
        ...
