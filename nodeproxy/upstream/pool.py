"""The connections to one endpoint, whatever their protocol: the interfaces for those that use them."""

from typing import Protocol

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.protocol.message import Response


class UpstreamConnection(Protocol):
    """A connection to an endpoint, whatever its protocol."""

    async def send(self, attempt: Attempt) -> Response:
        """Send a request; returns the response as soon as its head has come.

        Raises:
            EndpointError: the connection failed, or what came is not a valid response.
        """
        ...

    def close(self) -> None:
        """Close it at once, whatever is under way. Idempotent."""
        ...


class Sockets(Protocol):
    """Everything open to one endpoint, as far as its cluster limits and dismisses it."""

    limits: ConnectionLimits | None
    """Of the cluster; None where it has none."""

    @property
    def count(self) -> int:
        """Its connections, open or being opened."""
        ...

    @property
    def idle_count(self) -> int:
        """The number of connections without a request."""
        ...

    @property
    def active(self) -> int:
        """The number of requests under way, those included whose connection is being opened."""
        ...

    def close_oldest(self) -> bool:
        """Close the connection that has been idle longest; returns False when none is idle."""
        ...

    def drain(self) -> None:
        """The endpoint leaves: close idle connections now, those in use after their responses, and open no more."""
        ...


class Pool(Sockets, Protocol):
    """The connections to one endpoint, whatever their protocol."""

    def take(self) -> UpstreamConnection | None:
        """An open connection that can carry a request now, None when there is none."""
        ...

    async def open(self, within_s: float) -> UpstreamConnection:
        """A new connection, for the current task; at the cluster's limit the next one that is free.

        Raises:
            ConnectFailed: none in `within_s` seconds (0: no limit of its own): the endpoint is ejected; or it has left.
            OutOfDescriptors: this process can open no more sockets; the endpoint is not ejected.
            ConnectionPoolFull: the cluster has as many connections and waiting requests as its policy allows.
        """
        ...
