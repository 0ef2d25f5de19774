"""One collector, over OTLP/HTTP in protobuf: what it answers, and when to try again.

Source: OpenTelemetry Protocol Specification 1.x, OTLP/HTTP.
"""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio
import httpcore
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

RETRYABLE = frozenset((429, 502, 503, 504))  # the specification's list
TIMEOUT_S = 10.0  # of one request, its answer included: the default of OpenTelemetry's exporters
RESPONSE_LIMIT_BYTES = 64 * 1024
SHOWN_CHARACTERS = 1000  # of what a collector says, in the log
LEVEL = 1  # of gzip: spans repeat their attributes, so it makes them ten times smaller in a quarter of the time


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request."""

    rejected: int | None
    """How many spans the collector has rejected; None: it has taken none, and may take them later."""
    why: str = ""
    """For the log, where something was rejected or not taken."""
    after_s: float | None = None
    """How long it asks to wait (Retry-After)."""


class HeadersRefused(ValueError):
    """The file of headers is not what it should be."""


def headers_in(file: Path) -> list[tuple[bytes, bytes]]:
    """The header fields in `file`, one in a line as `name: value`; read for each request, because Secrets change.

    Raises:
        HeadersRefused: it cannot be read, or a line is not a field.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HeadersRefused(f"{file} (otlp_headers_file) cannot be read: {error}") from error
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if line.strip() and not (colon and name.strip().isascii() and name.strip().replace("-", "").isalnum()):
            raise HeadersRefused(f"{file} (otlp_headers_file), line {number}: expected name: value")
        if line.strip():
            found.append((name.strip().encode(), value.strip().encode()))
    return found


class Collector:
    """Posts requests to `url`; each gets an `Answer`, whatever happens."""

    def __init__(self, url: str, headers_file: Path | None, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._headers_file = headers_file
        self._pool = httpcore.AsyncConnectionPool(max_connections=1, keepalive_expiry=60.0)

    async def export(self, body: bytes, spans: int) -> Answer:
        """Send `body`, a compressed request of so many spans."""
        try:
            own = [] if self._headers_file is None else headers_in(self._headers_file)
        except HeadersRefused as error:
            return Answer(None, str(error))
        fields = [(b"Content-Type", b"application/x-protobuf"), (b"Content-Encoding", b"gzip"), *own]
        try:
            with anyio.fail_after(self._timeout_s):  # of all: a byte now and then would satisfy a limit of each read
                return await self._posted(fields, body, spans)
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Answer(None, f"{self.url}: {str(error) or type(error).__name__}")

    async def _posted(self, fields: list[tuple[bytes, bytes]], body: bytes, spans: int) -> Answer:
        async with self._pool.stream("POST", self.url, headers=fields, content=body) as response:
            found = bytearray()
            async for piece in response.aiter_stream():
                found += piece
                if len(found) > RESPONSE_LIMIT_BYTES:
                    break
            return answer_of(response.status, dict(response.headers), bytes(found), spans)

    async def close(self) -> None:
        """Close its connection."""
        await self._pool.aclose()


def answer_of(status: int, headers: Mapping[bytes, bytes], body: bytes, spans: int) -> Answer:
    """The meaning of a response to a request of so many spans."""
    if status in RETRYABLE:
        lower = {name.lower(): value for name, value in headers.items()}
        return Answer(None, f"status {status}", _seconds(lower.get(b"retry-after", b""), lambda: datetime.now(UTC)))
    if not 200 <= status < 300:
        return Answer(spans, f"status {status}: check otlp_endpoint and otlp_headers_file; {_shown(body)}")
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:  # an answer of JSON, or of a proxy: the status counts
        return Answer(0)
    return Answer(min(spans, max(0, partial.rejected_spans)), partial.error_message[:SHOWN_CHARACTERS])


def compressed(message: bytes) -> bytes:
    """The body of a request."""
    return gzip.compress(message, LEVEL, mtime=0)


def _seconds(retry_after: bytes, now: Callable[[], datetime]) -> float | None:
    """RFC 9110, 10.2.3: seconds, or a date; None where it is neither."""
    text = retry_after.decode("latin-1").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now()).total_seconds())
    except (ValueError, TypeError, OverflowError):  # the last of numbers that no clock has
        return None


def _shown(body: bytes) -> str:
    return ascii(body[:200].decode("latin-1"))
