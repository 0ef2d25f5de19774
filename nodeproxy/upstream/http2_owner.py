"""The pool of an HTTP/2 connection to an endpoint, as far as the connection uses it."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nodeproxy.upstream.http2 import Http2Connection


class Owner(Protocol):
    """See `http2_pool.Http2Pool`."""

    def used_up(self, requests: int) -> bool: ...

    def room_changed(self, connection: "Http2Connection") -> None: ...

    def stream_over(self, connection: "Http2Connection") -> None: ...

    def closed(self, connection: "Http2Connection") -> None: ...
