"""Requests and responses as every part of the proxy sees them, whatever protocols are on either side.

There is no status line, no connection and no framing here: the side that reads a message understands them, the side
that sends it writes them, each in its own protocol.
"""

import re
from typing import Protocol

from nodeproxy.errors import ProxyError
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.syntax import TOKEN, VALUE

UNKNOWN = -1
"""The length of a body whose sender has not said it: it is streamed, and ends when its protocol says so."""


_TOKEN = re.compile(TOKEN)
_VISIBLE = re.compile(rb"[\x21-\x7e]++")
_PHRASE = re.compile(VALUE)


class NotSendable(ValueError):
    """A part of a first line that would be read as more than this part."""


class Body(Protocol):
    """A message body that is pulled piece by piece. A reader that does not pull stops its sender."""

    length: int
    """Its size in bytes, UNKNOWN where the sender has not said it."""

    streamed: bool
    """Whether some of it may still be on its way; false for a body that is all here, and for none."""

    trailers: bytes
    """Field lines that came after it; known once `read` has returned b""."""

    async def read(self) -> bytes:
        """The next piece, b"" at the end.

        Raises:
            ProxyError: the sender broke off, or what it sent is not a body.
        """
        ...

    def rewind(self) -> bool:
        """Make the next `read` start from the first byte again; false when bytes have gone that were not kept."""
        ...


class StreamedBody(Body, Protocol):
    """A body that holds a connection until its end has been read."""

    def abandon(self) -> None:
        """Give up what has not been read; closes the connection unless the end had been reached."""
        ...


class Tunnel(Protocol):
    """The endpoint's side of a connection that has left HTTP; `io.channel.Channel` has the contract of its methods."""

    received: bytes
    """What came behind the head of its 101."""

    broken: type[ProxyError]

    async def recv(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...

    def half_close(self) -> None: ...

    def close(self) -> None: ...


class Ending(Protocol):
    """What a response ends: an attempt."""

    def end(self, outcome: int | str) -> None:
        """The response with this status has been sent or given up, or failed for this reason; the first call counts."""
        ...


class Request:
    """What a client asks for; its body travels beside it."""

    __slots__ = (
        "authority", "expects", "fields", "length", "method", "path", "scheme", "service", "takes_trailers", "traced",
        "upgrade", "version",
    )  # fmt: skip

    def __init__(self, method: bytes, authority: bytes, path: bytes, fields: Fields, length: int = 0) -> None:
        self.method = method
        self.scheme = b"http"
        self.authority = authority
        """Host and port that the client named, b"" where it named none (HTTP/1.0)."""
        self.path = path
        """Path and query, or `*`; the authority for CONNECT."""
        self.fields = fields
        """Without those of the connection it came on. Host is among them."""
        self.length = length
        """Of the body: bytes, or UNKNOWN."""
        self.version = b"1.1"
        """The protocol's version in which it was received, as Via names it (RFC 9110, 7.6.3)."""
        self.expects = False
        """Whether the client waits for 100 (Continue) before it sends the body."""
        self.takes_trailers = False
        """Whether the client reads trailers of the response (RFC 9110, 10.1.4)."""
        self.service = b""
        """The mesh name that the field x-mesh-service held, which is not among `fields`; b"" where there was none."""
        self.traced = False
        """Whether it has a traceparent field, valid or not."""
        self.upgrade = b""
        """The protocols that the client offers to switch to, a list; b"" where there is none that may be passed on."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set a slot. The compiled twin goes past this: what it has read is valid.

        Raises:
            NotSendable: a method or a path with a blank or a control byte in it.
        """
        if name in ("method", "path"):
            grammar = _TOKEN if name == "method" else _VISIBLE
            if not isinstance(value, bytes) or grammar.fullmatch(value) is None:
                raise NotSendable(f"{value!r} cannot be the {name} of a request")
        object.__setattr__(self, name, value)


class Response:
    """An endpoint's answer, or the mesh's own, on its way to the client."""

    __slots__ = (
        "_phrase", "attempt", "body", "dated", "fields", "first", "length", "reason", "status", "tunnel", "upgrade",
        "version",
    )  # fmt: skip

    def __init__(self, status: int, fields: Fields, length: int, first: bytes = b"") -> None:
        self.status = status
        self._phrase = b""
        self.version = b""
        """The protocol's version in which it was received, as Via names it; b"" for the mesh's own."""
        self.fields = fields
        """Without those of the connection it came on."""
        self.dated = False
        """Whether it has a Date field."""
        self.length = length
        """Of the body: bytes, or UNKNOWN."""
        self.first = first
        """The bytes of the body that came with the head."""
        self.body: StreamedBody | None = None
        """Pulls the bytes of the body behind `first`; None when there are none."""
        self.attempt: Ending | None = None
        self.reason = ""
        """Which error of the mesh it reports (`x-mesh-error`), "" for an endpoint's answer."""
        self.upgrade = b""
        """The protocol that a 101 switches to; b"" where it names none, and for every other status."""
        self.tunnel: Tunnel | None = None
        """What the connection has become by a 101 that the client had asked for."""

    @property
    def phrase(self) -> bytes:
        """The reason phrase that was received; HTTP/2 has none."""
        return self._phrase

    @phrase.setter
    def phrase(self, phrase: bytes) -> None:
        if _PHRASE.fullmatch(phrase) is None:
            raise NotSendable(f"{phrase!r} cannot be the phrase of a response")
        self._phrase = phrase

    def close(self) -> None:
        """Return what it still holds: the exchange is over, or this answer is not wanted. Idempotent."""
        if self.body is not None:
            self.body.abandon()
        if self.tunnel is not None:
            self.tunnel.close()
        if self.attempt is not None:
            self.attempt.end(self.status)
            self.attempt = None
