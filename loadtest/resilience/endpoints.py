"""Endpoints that are slow or fail, in one process: `python -m loadtest.resilience.endpoints PLACES`, as JSON.

Each serves `slots` requests at a time, each for `service_s`, and queues all others, as a pool of threads does. It does
not notice that a client has given up: the work is done all the same, which is what makes overload last.
"""

import asyncio
import sys
from collections import deque
from dataclasses import dataclass

import msgspec

COUNT_PATH = b"/count"  # answered at once, with the number of other requests so far
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One endpoint: how long a request takes, how many at a time, and with which status it is answered."""

    service_s: float
    slots: int = 1000
    status: int = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A behaviour and the port of 127.0.0.1 where it is found."""

    port: int
    behaviour: Behaviour


class Endpoint:
    """The slots and the queue of one endpoint."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.requests = 0
        self._free = behaviour.slots
        self._service_s = behaviour.service_s
        self._answer = b"HTTP/1.1 %d Told\r\ncontent-length: 3\r\n\r\nok\n" % behaviour.status
        self._queue: deque[Connection] = deque()

    def take(self, connection: "Connection") -> None:
        """Serve a request of this connection, now or when a slot is free."""
        self.requests += 1
        if self._free:
            self._free -= 1
            self._begin(connection)
        else:
            self._queue.append(connection)

    def _begin(self, connection: "Connection") -> None:
        asyncio.get_running_loop().call_later(self._service_s, self._end, connection)

    def _end(self, connection: "Connection") -> None:
        connection.answer(self._answer)
        if self._queue:
            self._begin(self._queue.popleft())
        else:
            self._free += 1


class Connection(asyncio.Protocol):
    """One connection: requests without a body, one after the other."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._received += data
        while HEAD_END in self._received:
            head, _, self._received = self._received.partition(HEAD_END)
            if head.split(b" ", 2)[1] == COUNT_PATH:
                body = b"%d" % self._endpoint.requests
                self.answer(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            else:
                self._endpoint.take(self)

    def answer(self, response: bytes) -> None:
        """Send a response, unless the client has gone."""
        if self._transport is not None:
            self._transport.write(response)


async def serve(places: list[Place]) -> None:
    """Serve at all places until cancelled."""
    loop = asyncio.get_running_loop()
    servers = []
    for place in places:
        endpoint = Endpoint(place.behaviour)
        server = await loop.create_server(
            lambda endpoint=endpoint: Connection(endpoint), "127.0.0.1", place.port, backlog=4096
        )
        servers.append(server)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.argv[1], type=list[Place])))
