"""gRPC calls that an ending server has dropped, so that they can be sent elsewhere. See `grpc.was_dropped`."""

from functools import partial

from nodeproxy.errors import Unprocessed
from nodeproxy.io.reactor import Reactor
from nodeproxy.multiplex.stream import Stream
from nodeproxy.protocol.message import Response

# How long GOAWAY may take behind such a response: it is the server's next step, and took 60 ms of one in overload.
HELD_S = 0.5


class DroppedCalls:
    """Those of one connection.

    Their responses are held until the server says that it ends: an application that aborts a call of its own has the
    same response, and must not get the call again.
    """

    __slots__ = ("_ends", "_held", "_reactor")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._held: dict[Stream, Response] = {}
        self._ends = False

    def hold(self, stream: Stream, response: Response) -> None:
        """`response`, which says that its call was dropped, has come on `stream`, which it ends."""
        if self._ends:
            _fail(stream)
            return
        self._held[stream] = response
        self._reactor.call_at(self._reactor.clock() + HELD_S, partial(self._deliver, stream))

    def endpoint_ends(self) -> None:
        """The server ends, or has left its service. Idempotent."""
        self._ends = True
        held = tuple(self._held)
        self._held.clear()
        for stream in held:
            _fail(stream)

    def _deliver(self, stream: Stream) -> None:
        response = self._held.pop(stream, None)
        if response is not None:
            stream.heads.append(response)
            stream.awaits_head = False
            stream.end()  # wakes its reader


def _fail(stream: Stream) -> None:
    stream.fail(Unprocessed("the endpoint is ending, and has dropped the call"))
