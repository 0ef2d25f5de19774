"""The answer of grpcio to a call that comes while the server ends, by which nodeproxy recognises a dropped call."""

import socket
from threading import Event

from nodeproxy.protocol.grpc import was_dropped
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.frames import data_header, header_frames, settings
from nodeproxy.protocol.http2.hpack.encoder import field
from nodeproxy.protocol.http2.reader import FrameReader
from tests.fakes.grpc import call, message
from tests.fakes.grpc_server import Echo, echo_server
from tests.fakes.node import LIMIT_S


class Busy(Echo):
    """Its calls last until the test is over."""

    def __init__(self):
        super().__init__()
        self.begun, self.over = Event(), Event()

    def _unary(self, request, _context):
        self.begun.set()
        self.over.wait(LIMIT_S)
        return request


class Client:
    """Speaks HTTP/2 and never answers a PING, so a server that ends goes on to take its streams."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self._reader = FrameReader("responses", HeadLimits())
        self._frames = []
        self._socket.sendall(codes.PREFACE + settings([]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def call(self, number):
        block = b"".join(field(name, value) for name, value in call(path=b"/shop.Echo/Unary"))
        head = header_frames(block, number, False)
        self._socket.sendall(head + data_header(len(message()), number, True) + message())

    def until(self, kind):
        """The next frame of this kind."""
        while True:
            for frame in self._frames:
                if frame.kind == kind:
                    self._frames.remove(frame)
                    return frame
            data = self._socket.recv(65536)
            assert data, "the connection ended"
            self._frames += self._reader.feed(data)


def test_a_call_that_comes_while_a_server_ends_is_recognised_as_dropped():
    busy = Busy()
    with echo_server(busy) as (port, server), Client(port) as client:
        client.call(1)
        assert busy.begun.wait(LIMIT_S)
        server.stop(LIMIT_S)
        client.until(codes.GOAWAY)
        client.call(3)
        frame = client.until(codes.HEADERS)
        busy.over.set()

    assert frame.stream == 3 and frame.flags & codes.END_STREAM
    assert was_dropped(frame.payload)
