"""Failures on a connection to the control process: in batches, with what was left out since it began."""

import pytest
import trio

from nodeproxy.control.failures import ROUND_S, send_failures
from nodeproxy.exchange.failures import RATE_MOST, FailureLog
from nodeproxy.mesh.failures import Failures
from nodeproxy.mesh.wire import parse_upward


@pytest.mark.trio
async def test_they_are_sent_each_half_second_where_there_are_any(autojump_clock):
    log, sent = FailureLog(trio.current_time, lambda: 1.7e9), []

    async def send(lines):
        sent.extend(map(parse_upward, lines.splitlines()))

    for _ in range(RATE_MOST + 3):
        log.note_refused(400, "bad-request", ("", "node"))  # before the connection
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_failures, log, send)
        await trio.sleep(3 * ROUND_S)
        quiet = len(sent)
        for _ in range(RATE_MOST + 2):
            log.note_refused(400, "bad-request", ("", "node"))
        await trio.sleep(3 * ROUND_S)
        nursery.cancel_scope.cancel()

    assert quiet == 1
    assert [(type(each), len(each.exchanges), each.left_out) for each in sent] == [
        (Failures, RATE_MOST, 0),
        (Failures, RATE_MOST, 2),
    ]
