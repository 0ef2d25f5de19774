"""The worker's failures on their way to the control process."""

from collections.abc import Awaitable, Callable

import trio

from nodeproxy.exchange.failures import FailureLog
from nodeproxy.mesh.failures import Failures
from nodeproxy.mesh.wire import line

ROUND_S = 0.5


async def send_failures(log: FailureLog, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Send what `log` holds, forever, on a new connection."""
    began, sent = log.left_out, 0
    while True:
        some, left_out = log.taken(), log.left_out - began
        if some or left_out != sent:
            sent = left_out
            await send(line(Failures(tuple(some), sent)))
        await trio.sleep(ROUND_S)
