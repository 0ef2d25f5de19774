"""The worker's connection to discovery: installs updates read from its Unix socket, answers questions, sends reports.

While discovery is unreachable the table stays in force, its age grows, and the connection is retried.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import trio

from nodeproxy.control.failures import send_failures
from nodeproxy.control.reports import Reporter, Sources
from nodeproxy.control.samples import SampleQueue
from nodeproxy.control.taps import Taps
from nodeproxy.exchange.failures import FailureLog
from nodeproxy.mesh.questions import Answer, AnswerTo, Ask, CountersNow, EndpointsOf, SubscriptionsNow
from nodeproxy.mesh.subscriptions import Subscriptions, Usage
from nodeproxy.mesh.taps import StartTap, StopTap
from nodeproxy.mesh.wire import LINE_LIMIT_BYTES, Update, line, parse
from nodeproxy.policies.table import PolicyRefused

RETRY_S = 0.1  # a restarted discovery listens within a second; an attempt costs one failed connect
READ_BYTES = 256 * 1024
REVIEW_EVERY_S = 30.0  # interval of ending unused subscriptions, which end after minutes
log = logging.getLogger(__name__)


class LineTooLong(ValueError):
    """A line from the peer exceeds LINE_LIMIT_BYTES."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """What is called with what discovery sends."""

    install: Callable[[Update], None]
    """Installs an update; raises PolicyRefused for one that cannot be installed."""
    refused: Callable[[], None]
    """Called for each update that cannot be installed."""
    answer: Callable[[EndpointsOf | SubscriptionsNow], AnswerTo]
    taps: Taps
    failures: FailureLog | None = None
    """What is sent beside the reports; None for nothing."""


async def subscribe(
    path: str, receivers: Receivers, subscriptions: Subscriptions, reported: Sources, samples: SampleQueue
) -> None:
    """Follow the discovery that listens at `path`, forever; send it `subscriptions`, reports, samples and answers."""
    logged = False
    while True:
        try:
            stream = await trio.open_unix_socket(path)
        except OSError as error:
            if not logged:
                log.info("discovery does not listen yet", extra={"path": path, "error": str(error)})
            logged = True
        else:
            logged = False
            async with stream:
                try:
                    async with trio.open_nursery() as nursery:
                        send = _sender(stream)
                        nursery.start_soon(_send_subscriptions, send, subscriptions)
                        reporter = Reporter(reported)
                        nursery.start_soon(reporter.run, send)
                        nursery.start_soon(samples.send, send)
                        nursery.start_soon(receivers.taps.report, send)
                        if receivers.failures is not None:
                            nursery.start_soon(send_failures, receivers.failures, send)
                        await _follow(stream, receivers, reporter, send)
                        nursery.cancel_scope.cancel()
                except* (msgspec.DecodeError, LineTooLong, trio.BrokenResourceError) as errors:
                    log.warning(
                        "connection to discovery broke; the table stays in force",
                        extra={"error": str(errors.exceptions[0])},
                    )
            receivers.taps.clear()
        await trio.sleep(RETRY_S)


async def end_unused(subscriptions: Subscriptions, usage: Callable[[str], Usage | None]) -> None:
    """End the subscriptions to services that are no longer used, forever; see `Subscriptions.review`."""
    while True:
        await trio.sleep(REVIEW_EVERY_S)
        subscriptions.review(usage)


def _sender(stream: trio.SocketStream) -> Callable[[bytes], Awaitable[None]]:
    """Sends whole lines to `stream`, for several tasks in turn."""
    turn = trio.Lock()

    async def send(lines: bytes) -> None:
        async with turn:
            await stream.send_all(lines)

    return send


async def _send_subscriptions(send: Callable[[bytes], Awaitable[None]], subscriptions: Subscriptions) -> None:
    """Send all subscriptions, because discovery may have restarted, and then changes as they occur."""
    something = trio.Event()

    def stir() -> None:
        something.set()

    subscriptions.stir = stir
    subscriptions.resubscribe()
    while True:
        await something.wait()
        something = trio.Event()
        if changes := b"".join(map(line, subscriptions.taken())):
            await send(changes)


async def _follow(
    stream: trio.SocketStream, receivers: Receivers, reporter: Reporter, send: Callable[[bytes], Awaitable[None]]
) -> None:
    held = bytearray()
    while data := await stream.receive_some(READ_BYTES):
        held += data
        if b"\n" in data:
            *lines, held = held.split(b"\n")
            for text in lines:
                message = parse(text)
                if isinstance(message, Ask):
                    if isinstance(message.question, CountersNow):
                        reporter.ask(message.number)
                    else:
                        await send(line(Answer(message.number, receivers.answer(message.question))))
                elif isinstance(message, StartTap | StopTap):
                    receivers.taps.follow(message)
                else:
                    _install(message, receivers)
                await trio.lowlevel.checkpoint()  # hundreds of lines may arrive at once, and requests must go on
        if len(held) > LINE_LIMIT_BYTES:
            raise LineTooLong(f"a line of more than {LINE_LIMIT_BYTES} bytes")


def _install(update: Update, receivers: Receivers) -> None:
    try:
        receivers.install(update)
    except PolicyRefused as error:  # discovery has validated it; versions may differ during an update
        receivers.refused()
        log.error("update rejected", extra={"problems": list(error.problems)})
