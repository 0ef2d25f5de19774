"""Requests and responses, independent of the protocols of client and endpoint.

They contain no status line, connection option or framing: the receiving side interprets these, the sending side writes
its own.
"""

import re
from typing import Protocol

from nodeproxy.errors import ProxyError
from nodeproxy.protocol.fields import Fields, without
from nodeproxy.protocol.syntax import TOKEN, VALUE

UNKNOWN = -1
"""The length of a body whose sender does not announce it: it is streamed, and its protocol marks the end."""


_TOKEN = re.compile(TOKEN)
_VISIBLE = re.compile(rb"[\x21-\x7e]++")
_PHRASE = re.compile(VALUE)
_HOST = (b"host",)


class NotSendable(ValueError):
    """A method, path or reason phrase that would change the structure of the first line."""


class Body(Protocol):
    """A message body that is read piece by piece. Backpressure: while it is not read, its sender is stopped."""

    length: int
    """Size in bytes; UNKNOWN if the sender does not announce it."""

    streamed: bool
    """Whether a part may not have been received yet; false for a complete body and for an empty one."""

    trailers: bytes
    """Field lines received after the body; set when `read` has returned b""."""

    async def read(self) -> bytes:
        """The next piece, b"" at the end.

        Raises:
            ProxyError: the sender closed before the end, or the framing is malformed.
        """
        ...

    def rewind(self) -> bool:
        """Restart `read` from the first byte; returns false if bytes already read were not retained."""
        ...


class StreamedBody(Body, Protocol):
    """A body that occupies a connection until its end has been read."""

    def abandon(self) -> None:
        """Discard the unread rest; closes the connection unless the end was reached."""
        ...


class Tunnel(Protocol):
    """The endpoint's side of a connection that has left HTTP; for its methods see `io.byte_channel.Channel`."""

    received: bytes
    """Bytes received after the head of the 101."""

    @property
    def broken(self) -> type[ProxyError]: ...

    async def recv(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...

    def half_close(self) -> None: ...

    def close(self) -> None: ...


class Ending(Protocol):
    """An attempt, as far as its response uses it."""

    def end(self, outcome: int | str) -> None:
        """Record the outcome: the status of a response that was sent or abandoned, or the reason of a failure.

        Only the first call has an effect.
        """
        ...


def _check_sendable(name: str, value: object) -> None:
    grammar = _TOKEN if name == "method" else _VISIBLE
    if not isinstance(value, bytes) or grammar.fullmatch(value) is None:
        raise NotSendable(f"{value!r} cannot be the {name} of a request")


class Request:
    """A request without its body, which `Exchange` holds."""

    __slots__ = (
        "authority", "expects", "fields", "length", "method", "path", "scheme", "service", "takes_trailers", "traced",
        "upgrade", "version",
    )  # fmt: skip

    def __init__(
        self, method: bytes, authority: bytes, path: bytes, fields: Fields, length: int = 0, checked: bool = False
    ) -> None:
        """`checked` says that method and path come from a head whose grammar has been checked.

        Raises:
            NotSendable: see `__setattr__`.
        """
        if not checked:  # here too: compiled by mypyc, what __init__ sets does not pass through __setattr__
            _check_sendable("method", method)
            _check_sendable("path", path)
        self.method = method
        self.scheme = b"http"
        self.authority = authority
        """Host and port as the client sent them; b"" if it sent none (HTTP/1.0)."""
        self.path = path
        """Path and query, or `*`; the authority for CONNECT."""
        self.fields = fields
        """Header fields with Host, without the hop-by-hop ones of the received message."""
        self.length = length
        """Of the body, in bytes, or UNKNOWN."""
        self.version = b"1.1"
        """Protocol version of the received message, as written in Via (RFC 9110, 7.6.3)."""
        self.expects = False
        """Whether the client waits for 100 (Continue) before it sends the body."""
        self.takes_trailers = False
        """Whether the client accepts trailers in the response (RFC 9110, 10.1.4)."""
        self.service = b""
        """Value of the field x-mesh-service, which is not among `fields`; b"" if absent."""
        self.traced = False
        """Whether it has a field traceparent, valid or not."""
        self.upgrade = b""
        """List of protocols that the client offers to switch to; b"" if none may be forwarded."""

    def __setattr__(self, name: str, value: object) -> None:
        """Validate and set a slot. The compiled twin bypasses this check because it sets only what it has validated.

        Raises:
            NotSendable: the method is not a token, or the path is empty or contains a byte that is not visible ASCII.
        """
        if name in ("method", "path"):
            _check_sendable(name, value)
        object.__setattr__(self, name, value)

    def replace_host(self, host: bytes) -> None:
        """Send it to the same place under another host, which is a valid authority."""
        self.authority = host
        self.fields = Fields(b"Host: %b\r\n%b" % (host, without(self.fields.block(), _HOST)))


def received_request(
    method: bytes, scheme: bytes, authority: bytes, path: bytes, fields: Fields, length: int, version: bytes,
    expects: bool, takes_trailers: bool, service: bytes, traced: bool, upgrade: bytes,
) -> Request:  # fmt: skip
    """A request whose attributes have these values; the twin in C calls it where mypyc has compiled the class."""
    request = Request(method, authority, path, fields, length, True)
    if version != b"1.1":  # only what differs: each passes through __setattr__
        request.version = version
    if traced:
        request.traced = True
    if takes_trailers:
        request.takes_trailers = True
    if expects or service or upgrade or scheme != b"http":
        request.expects, request.service, request.upgrade, request.scheme = expects, service, upgrade, scheme
    return request


class Response:
    """A response of an endpoint or of the mesh itself."""

    __slots__ = (
        "_phrase", "attempt", "body", "dated", "fields", "first", "length", "reason", "status", "tunnel", "upgrade",
        "version",
    )  # fmt: skip

    def __init__(self, status: int, fields: Fields, length: int, first: bytes = b"") -> None:
        self.status = status
        self._phrase = b""
        self.version = b""
        """Protocol version of the received message, as written in Via; b"" for a response of the mesh."""
        self.fields = fields
        """Header fields, without the hop-by-hop ones of the received message."""
        self.dated = False
        """Whether it has a field Date."""
        self.length = length
        """Of the body, in bytes, or UNKNOWN."""
        self.first = first
        """Bytes of the body that were received with the head."""
        self.body: StreamedBody | None = None
        """The rest of the body after `first`; None if there is none."""
        self.attempt: Ending | None = None
        self.reason = ""
        """Reason of the mesh's error that it reports (`x-mesh-error`); "" for a response of an endpoint."""
        self.upgrade = b""
        """Protocol that a 101 switches to; b"" if it contains none, and for every other status."""
        self.tunnel: Tunnel | None = None
        """The endpoint's connection after a 101 that the client requested."""

    @property
    def phrase(self) -> bytes:
        """The received reason phrase; b"" if there was none."""
        return self._phrase

    @phrase.setter
    def phrase(self, phrase: bytes) -> None:
        if _PHRASE.fullmatch(phrase) is None:
            raise NotSendable(f"{phrase!r} cannot be the phrase of a response")
        self._phrase = phrase

    def close(self) -> None:
        """Release its connection and end its attempt, after the exchange or to discard the response. Idempotent."""
        if self.body is not None:
            self.body.abandon()
        if self.tunnel is not None:
            self.tunnel.close()
        if self.attempt is not None:
            self.attempt.end(self.status)
            self.attempt = None


def received_response(status: int, phrase: bytes, version: bytes, fields: Fields, dated: bool, length: int) -> Response:
    """A response whose attributes have these values; see `received_request`."""
    response = Response(status, fields, length)
    response._phrase = phrase
    response.version = version
    response.dated = dated
    return response
