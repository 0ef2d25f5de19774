"""The bounds of an HTTP/2 connection, in what a peer may hold and in what it may cost."""

from typing import NamedTuple

CONNECTION_WINDOW_BYTES = 1024 * 1024  # in flight on a connection; what has been received counts to its stream alone
OVERHEAD_RATIO = 8  # of all bytes received to those of messages, nginx's
OVERHEAD_BYTES = 1024 * 1024  # that any connection may spend beside it, nginx's: a million bytes are 60,000 PINGs
OVERHEAD_PER_S = 100  # and more with time: a stream that is silent for a week has its PING every ten seconds
MESSAGE_BYTES = 256  # that a HEADERS frame counts beside its fields: it costs about as much as so many bytes of a body
SETTINGS_BYTES = 1024  # that SETTINGS count as: they may change the windows of all streams, and 15 bytes are enough
QUICK_S = 1.0  # a stream that is reset sooner was hardly meant; Envoy's premature_reset_min_stream_lifetime_seconds
UNSENT_BYTES = 1024 * 1024  # of heads and the like that a peer has not read, beyond which nothing of it is read
ANSWERS_BYTES = 256 * 1024  # of answers to PING, SETTINGS and the like that a peer does not read: 15,000; Go: 10,000


class Http2Limits(NamedTuple):
    """What the mesh allows on one connection."""

    streams: int = 100
    """Requests at a time. RFC 9113, 6.5.2 advises no less; Envoy's advice and HAProxy's default."""
    window_bytes: int = 64 * 1024
    """Of each stream: how much of a body is received before it is read. 16 KiB are a frame; nginx's."""
    quick_resets: int = 500
    """Streams reset within a second, by the client or for its errors, beyond which a connection ends if they are half
    of all its streams (rapid reset, CVE-2023-44487; MadeYouReset, CVE-2025-8671). Envoy's
    premature_reset_total_stream_count."""


HTTP2_LIMITS = Http2Limits()


class Floods:
    """Frames that cost work and carry no message: whether a connection has sent more of them than any honest one.

    Every frame has its cost in bytes received; PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM and empty DATA are
    all overhead (CVE-2019-9511 to 9518). The share is bounded, not the rate: a client that measures its bandwidth sends
    a PING for each round trip of a download. Source: nginx, ngx_http_v2_read_handler ("http2 flood detected").
    """

    __slots__ = ("_quick", "_quick_most", "_since", "messages_bytes", "received_bytes", "streams")

    def __init__(self, limits: Http2Limits, now: float) -> None:
        """`now` is monotonic seconds."""
        self.received_bytes = 0
        self.messages_bytes = 0
        """Of bodies in both directions, of heads received, and MESSAGE_BYTES for each of these."""
        self._quick_most = limits.quick_resets
        self._quick = 0
        self._since = now
        self.streams = 0
        """How many have been opened."""

    @property
    def exceeded(self) -> bool:
        """Whether there is more overhead than any honest peer causes in a short time."""
        return self.received_bytes > OVERHEAD_BYTES + OVERHEAD_RATIO * self.messages_bytes

    def exceeded_at(self, now: float) -> bool:
        """Whether there is more than an honest peer causes in the time that has passed; to be asked once `exceeded`.

        Time forgives what there was, and is no credit for what comes.
        """
        forgiven = int((now - self._since) * OVERHEAD_PER_S)
        self.received_bytes = max(self.received_bytes - forgiven, OVERHEAD_RATIO * self.messages_bytes)
        self._since = now
        return self.exceeded

    def reset(self, lasted_s: float) -> bool:
        """A stream has been reset `lasted_s` after it was opened; returns whether the connection has to end."""
        if lasted_s >= QUICK_S:
            return False
        self._quick += 1
        return self._quick > self._quick_most and 2 * self._quick > self.streams
