"""A client's connection as the worker handles it, whatever protocol the client speaks on it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nodeproxy.io.channel import SocketChannel

if TYPE_CHECKING:
    from nodeproxy.downstream.context import ConnectionContext


class DownstreamConnection(Protocol):
    """One client's connection. All methods but `serve` return at once."""

    idle_since_seen: float
    """For `connections.Connections`: its `idle_since` when it was last examined."""

    makes_way: bool
    """Whether it may become of no use, so that it is closed to admit another client; the same for all of a class."""

    async def serve(self) -> "DownstreamConnection | None":
        """Answer requests until the connection is over.

        Returns the connection that serves the rest where the client turns out to speak a different protocol.

        Raises:
            ProxyError: the connection has failed; what there was to count and to answer is done.
        """
        ...

    def idle_since(self, deadline: float) -> float:
        """Since when it is of no use, monotonic seconds, which may be to come; infinite while it is in use.

        `deadline` is its task's.
        """
        ...

    def make_way(self) -> bool:
        """Close it to admit another client; returns False if its next request has come already."""
        ...

    def drain(self) -> None:
        """Start nothing new: finish what is under way, ask the client to close, then close."""
        ...

    def hang_up(self) -> None:
        """Close it now if it is idle and its next request has not come; one that crosses the close was not read."""
        ...


Accept = Callable[["ConnectionContext", SocketChannel, str, bytes], DownstreamConnection]
"""Makes the connection of a client with this address, from which these bytes have come, in its task."""
