"""/tap?service=…: a stream of single requests of one service, from all workers."""

from functools import partial

import anyio
import msgspec

from discovery.observe.lookup import NotFound, service_asked
from discovery.observe.server import Asked, Page
from discovery.observe.streams import Send, Stream
from discovery.problem import shown
from discovery.workers.publish import Publisher
from discovery.workers.taps import OpenTap, TooManyTaps
from nodeproxy.mesh.duration import duration_text, seconds
from nodeproxy.mesh.samples import ExchangeSample
from nodeproxy.mesh.tap_view import (
    TapBegan,
    TapEnded,
    TapLine,
    TapMissed,
    TappedAttempt,
    TappedDecision,
    TappedRequest,
)
from nodeproxy.mesh.taps import EVERY_STATUS, TAPS_MOST, TapFilter

LIMIT_S = 600.0  # of one tap: a forgotten terminal does not tap for ever
NEWS_S = 1.0  # between two looks at what was left out
TOO_MANY = f"{TAPS_MOST} taps are open on this node, which is the most; end one of them"


class NotAFilter(ValueError):
    """A filter of a tap cannot be read; the text says how it is written."""


class TapPage:
    """The stream; 503 while too many are open."""

    def __init__(self, publisher: Publisher, limit_s: float = LIMIT_S) -> None:
        self._publisher = publisher
        self._limit_s = limit_s

    async def __call__(self, asked: Asked) -> Page | Stream:
        """The stream of `TapLine`s, or why there is none."""
        try:
            service, port = await service_asked(asked, self._publisher.services)
            wanted = filter_asked(asked, service.key, port)
        except NotFound as error:
            return error.page
        except NotAFilter as error:
            return Page(400, f"{error}\n".encode())
        if self._publisher.taps.full:
            return Page(503, f"{TOO_MANY}\n".encode())
        return Stream(partial(self._run, wanted))

    async def _run(self, wanted: TapFilter, send: Send) -> None:
        try:
            tap = self._publisher.taps.open(wanted)
        except TooManyTaps:  # opened between the look and now
            await send(line(TapEnded(TOO_MANY, 0)))
            return
        try:
            await send(line(TapBegan(wanted.service, self._publisher.workers, self._limit_s)))
            with anyio.move_on_after(self._limit_s):
                await _pass_on(tap, send)
            await send(line(TapEnded(f"a tap ends after {duration_text(self._limit_s)}", tap.left_out)))
        finally:
            self._publisher.taps.close(tap)


async def _pass_on(tap: OpenTap, send: Send) -> None:
    reported = 0
    while True:
        some: list[ExchangeSample] = []
        with anyio.move_on_after(NEWS_S):
            some = await tap.samples()
        lines = [line(tapped(sample)) for sample in some]
        if tap.left_out != reported:
            reported = tap.left_out
            lines.append(line(TapMissed(reported)))
        await send(b"".join(lines))


def line(each: TapLine) -> bytes:
    """One line of the stream."""
    return msgspec.json.encode(each) + b"\n"


def filter_asked(asked: Asked, service: str, port: int) -> TapFilter:
    """The filter that a request asks for.

    Raises:
        NotAFilter: one of its values cannot be read.
    """
    query = asked.query
    namespace, _, workload = query.get("from", "").partition("/")
    try:
        slower_than_s = seconds(query.get("slower-than") or "0")
    except ValueError as error:
        raise NotAFilter(f"--slower-than: {error}") from error
    path = query.get("path", "")
    if path and not path.startswith("/"):
        raise NotAFilter(f"--path: a path begins with /, got {shown(path)}")
    return TapFilter(
        service,
        port,
        path,
        query.get("method", "").upper(),
        namespace,
        workload,
        statuses(query.get("status", "")),
        slower_than_s,
    )


def statuses(text: str) -> tuple[int, int]:
    """First and last status of `5xx` or `404`; all of "".

    Raises:
        NotAFilter: it is neither.
    """
    if not text:
        return EVERY_STATUS
    if len(text) == len("5xx") and text[0] in "12345":
        if text[1:].lower() == "xx":
            return int(text[0]) * 100, int(text[0]) * 100 + 99
        if text.isascii() and text.isdecimal():
            return int(text), int(text)
    raise NotAFilter(f"--status: write 5xx for a class or 404 for a single status, got {shown(text)}")


def tapped(sample: ExchangeSample) -> TappedRequest:
    """The line of one exchange."""
    return TappedRequest(
        sample.time,
        round(sample.elapsed_s, 6),
        sample.method,
        sample.authority,
        sample.path,
        sample.version,
        sample.client,
        "/".join(sample.caller),
        sample.service_port,
        sample.status,
        sample.reason,
        sample.grpc_status,
        sample.not_retried,
        sample.rule,
        tuple(
            TappedAttempt(
                each.endpoint,
                round(each.began_s, 6),
                None if each.first_byte_s is None else round(each.first_byte_s, 6),
                round(each.ended_s, 6),
                each.status,
                each.outcome,
                each.hedge,
            )
            for each in sample.attempts
        ),
        tuple(TappedDecision(round(each.at_s, 6), each.policy, each.outcome, each.mode) for each in sample.events),
        sample.left_out,
        "" if sample.trace is None else sample.trace.trace_id,
    )
