"""Callers at fixed rates, in one process: `python -m loadtest.resilience.client LOAD`, as JSON; prints what they got.

Request i of a stream is due at start + i / rate, whatever became of those before it. A caller waits for `patience_s`,
then it closes the connection: a later response is worth nothing to it. Latency counts from when a request was due.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

CONNECTIONS_MOST = 4000  # open at a time; a request that finds no room fails
FAILED, LATE = 0, -1
"""In place of a status: no response, and none in time."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One caller: its address, its requests per second, and how much later than the others it begins."""

    name: str
    rate: float
    address: str = "127.0.0.1"
    phase_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What all callers do. The requests of the first `warmup_s` are not counted; `pooled` results are those of one."""

    port: int
    host: str
    streams: tuple[Stream, ...]
    patience_s: float
    warmup_s: float
    measure_s: float
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Got:
    """What one caller got: requests by status (0 no response, -1 none in time), and latencies of those with 200."""

    name: str
    offered: int
    statuses: dict[str, int]
    p50_s: float
    p99_s: float
    p999_s: float


class Call(asyncio.Protocol):
    """One connection of a caller, and the request on it, if any."""

    def __init__(self, caller: "Caller") -> None:
        self._caller = caller
        self._received = b""
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def send(self, due: float) -> None:
        """Send a request that was due then."""
        self._due = due
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(due + self._caller.load.patience_s, self._give_up)
        if self.transport is None:
            self._connecting = loop.create_task(self._connect())
        else:
            self.transport.write(self._caller.head)

    async def _connect(self) -> None:
        stream, load = self._caller.stream, self._caller.load
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self, "127.0.0.1", load.port, local_addr=(stream.address, 0)
            )
        except OSError:
            self._done(FAILED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._due is None:  # it was given up meanwhile
            transport.abort()
        else:
            transport.write(self._caller.head)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower().split(b"\r\n")
        lengths = [int(line.split(b":")[1]) for line in fields if line.startswith(b"content-length:")]
        if lengths and len(body) < lengths[0]:
            return
        self._received = b""
        closing = not lengths or b"connection: close" in fields
        self._done(int(head[9:12]), keep=not closing)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.transport = None
        if self._due is not None:
            self._done(FAILED)
        else:
            self._caller.forget(self)

    def close(self) -> None:
        """Close an idle connection."""
        if self.transport is not None:
            self.transport.abort()

    def _give_up(self) -> None:
        self._done(LATE)

    def _done(self, status: int, keep: bool = False) -> None:
        if self._due is None:
            return
        due, self._due = self._due, None
        if self._timer is not None:
            self._timer.cancel()
        self._caller.ended(self, due, status, keep)
        if not keep:
            self.close()


class Caller:
    """The connections and results of one stream."""

    def __init__(self, load: Load, stream: Stream) -> None:
        self.load = load
        self.stream = stream
        self.head = f"GET /work HTTP/1.1\r\nhost: {load.host}\r\naccept: */*\r\n\r\n".encode()
        self._idle: list[Call] = []
        self._open = 0
        self._under_way = 0
        self._one_ended = asyncio.Event()
        self._from = 0.0
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []

    async def run(self) -> None:
        """Send all requests, and wait for the last one's end."""
        loop = asyncio.get_running_loop()
        start = loop.time() + self.stream.phase_s
        self._from = start + self.load.warmup_s
        for number in count():
            due = start + number / self.stream.rate
            if due >= self._from + self.load.measure_s:
                break
            if (ahead := due - loop.time()) > 0:
                await asyncio.sleep(ahead)
            self._send(due)
        while self._under_way:
            self._one_ended.clear()
            await self._one_ended.wait()
        for call in list(self._idle):
            call.close()

    def _send(self, due: float) -> None:
        self._under_way += 1
        if self._idle:
            self._idle.pop().send(due)
        elif self._open < CONNECTIONS_MOST:
            self._open += 1
            Call(self).send(due)
        else:
            self._count(due, FAILED)

    def ended(self, call: Call, due: float, status: int, keep: bool) -> None:
        """A request has ended with this status; its connection can be used again if `keep`."""
        self._count(due, status)
        if keep:
            self._idle.append(call)
        else:
            self._open -= 1

    def forget(self, call: Call) -> None:
        """An idle connection was closed by the other side."""
        if call in self._idle:
            self._idle.remove(call)
            self._open -= 1

    def _count(self, due: float, status: int) -> None:
        self._under_way -= 1
        self._one_ended.set()
        if due >= self._from:
            self.statuses[status] += 1
            if status == 200:
                self.latencies.append(time.monotonic() - due)


def got(name: str, callers: Sequence[Caller]) -> Got:
    """What these callers got, as one."""
    ranked = sorted(latency for caller in callers for latency in caller.latencies)

    def at(ratio: float) -> float:
        return ranked[min(int(ratio * len(ranked)), len(ranked) - 1)] if ranked else 0.0

    numbers = sum((caller.statuses for caller in callers), Counter[int]())
    statuses = {str(status): number for status, number in sorted(numbers.items())}
    return Got(name, sum(statuses.values()), statuses, at(0.5), at(0.99), at(0.999))


async def call_all(load: Load) -> tuple[Got, ...]:
    """All streams at the same time."""
    callers = [Caller(load, stream) for stream in load.streams]
    await asyncio.gather(*(caller.run() for caller in callers))
    if load.pooled:
        return (got("all", callers),)
    return tuple(got(caller.stream.name, [caller]) for caller in callers)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(call_all(msgspec.json.decode(sys.argv[1], type=Load)))))
