"""Probes over HTTP/2: of paths, and gRPC health checks."""

from contextlib import suppress
from functools import partial

import pytest
import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.settings import SettingCodes, Settings

from nodeproxy.control import probes
from nodeproxy.control.probes import Probing, probe_all
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.telemetry.stats import SHORTAGES
from tests.fakes.probing import BUSY, PATIENCE_S, Probed, Server, Table

pytestmark = pytest.mark.trio

MAX_CONCURRENT_STREAMS = SettingCodes.MAX_CONCURRENT_STREAMS
SERVING, NOT_SERVING = b"\0\0\0\0\2\x08\1", b"\0\0\0\0\2\x08\2"
GRPC = (b"content-type", b"application/grpc")


@pytest.fixture(autouse=True)
def _look_often(monkeypatch):
    monkeypatch.setattr(probes, "LOOK_EVERY_S", 0.02)


def probing():
    return Probing(lambda: 0.0, dict.fromkeys(SHORTAGES, 0))


class Http2Server:
    """An HTTP/2 server with prior knowledge and one answer for everybody: head, body, trailers."""

    def __init__(self):
        self.head, self.body, self.trailers = [(b":status", b"200")], b"ok", None
        self.silent = False
        self.streams_most = 100
        self.resets = False
        """Whether its stream is reset in place of trailers."""
        self.requests = []
        self.connections = 0
        self._came = trio.Event()

    async def run(self, task_status):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, self._serve, 0, host="127.0.0.1"))
            self.name = f"127.0.0.1:{listener.socket.getsockname()[1]}"
            task_status.started()

    def answers(self, message, status):
        """Be a gRPC server that answers with this message and status."""
        self.head, self.body, self.trailers = [(b":status", b"200"), GRPC], message, [(b"grpc-status", status)]

    def refuses(self, status):
        """Be a gRPC server that refuses by the head of its response."""
        self.head, self.body, self.trailers = [(b":status", b"200"), GRPC, (b"grpc-status", status)], b"", None

    async def asked(self, times):
        until = len(self.requests) + times
        with trio.fail_after(PATIENCE_S):
            while len(self.requests) < until:
                self._came = trio.Event()
                await self._came.wait()

    async def _serve(self, stream):
        self.connections += 1
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        h2.local_settings = Settings(client=False, initial_values={MAX_CONCURRENT_STREAMS: self.streams_most})
        h2.initiate_connection()
        async with stream:
            with suppress(trio.BrokenResourceError):  # the prober has been cancelled
                await self._answer_all(stream, h2)

    async def _answer_all(self, stream, h2):
        fields, body = {}, {}
        await stream.send_all(h2.data_to_send())
        while data := await stream.receive_some():
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    fields[event.stream_id], body[event.stream_id] = dict(event.headers), b""
                elif isinstance(event, DataReceived):
                    body[event.stream_id] += event.data
                elif isinstance(event, StreamEnded):
                    if not self.silent:
                        self._respond(h2, event.stream_id)
                    self.requests.append((fields[event.stream_id], body[event.stream_id]))
                    self._came.set()
            await stream.send_all(h2.data_to_send())

    def _respond(self, h2, number):
        h2.send_headers(number, self.head, end_stream=not self.body and self.trailers is None)
        if self.body:
            h2.send_data(number, self.body, end_stream=self.trailers is None)
        if self.resets:
            h2.reset_stream(number)
        elif self.trailers is not None:
            h2.send_headers(number, self.trailers, end_stream=True)


@pytest.fixture
async def server(nursery):
    server = Http2Server()
    await nursery.start(server.run)
    return server


async def test_a_path_is_probed_over_http2_where_the_port_speaks_it(server, nursery):
    one = Probed(server.name, http2=True, path="/ready")
    nursery.start_soon(probe_all, Table(one.target), probing())
    await server.asked(3)
    fields, body = server.requests[0]
    assert one.nothing_changed()

    server.head = [(b":status", b"503")]

    assert await one.change() == "down"
    assert (fields[b":method"], fields[b":path"], body) == (b"GET", b"/ready", b"")
    assert (fields[b":authority"], fields[b"user-agent"]) == (b"web.shop.mesh", b"nodeproxy")
    assert server.connections == 1


async def test_a_grpc_server_that_serves_is_healthy(server, nursery):
    server.answers(SERVING, b"0")
    one = Probed(server.name, grpc={"service": "shop.Carts"})
    nursery.start_soon(probe_all, Table(one.target), probing())

    await server.asked(3)
    fields, body = server.requests[0]

    assert one.nothing_changed()
    assert not one.health.probes_down
    assert (fields[b":method"], fields[b":path"]) == (b"POST", b"/grpc.health.v1.Health/Check")
    assert (fields[b"content-type"], fields[b"te"]) == (b"application/grpc", b"trailers")
    assert body == b"\0\0\0\0\x0c\x0a\x0ashop.Carts"
    assert server.connections == 1


async def test_a_grpc_server_that_does_not_serve_is_unhealthy_until_it_does(server, nursery):
    server.answers(NOT_SERVING, b"0")
    one = Probed(server.name, grpc={})
    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"
    server.answers(SERVING, b"0")
    assert await one.change() == "up"


async def test_a_status_that_is_no_number_fails_a_probe_and_the_next_has_a_new_connection(server, nursery):
    server.head = [(b":status", b"abc")]
    one = Probed(server.name, http2=True)

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"
    server.head = [(b":status", b"200")]
    assert await one.change() == "up"
    assert server.connections > 1


async def test_a_server_that_was_silent_is_healthy_again_however_few_streams_it_allows(server, nursery):
    server.silent, server.streams_most = True, 1
    one = Probed(server.name, http2=True, timeout="200ms")

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"
    await server.asked(1)
    server.silent = False
    assert await one.change() == "up"


async def test_a_grpc_response_that_breaks_off_before_its_message_is_a_failure(server, nursery):
    server.answers(SERVING[:-1], b"0")
    server.resets = True
    one = Probed(server.name, grpc={})

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"


@pytest.mark.parametrize("status", [b"12", b"5", b"14"])
async def test_a_grpc_server_without_the_service_is_unhealthy(server, nursery, status):
    server.refuses(status)
    one = Probed(server.name, grpc={})

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"


async def test_a_server_that_speaks_only_http1_fails_a_probe_over_http2(nursery):
    server = Server(BUSY)
    await nursery.start(server.run)
    one = Probed(server.name, grpc={}, timeout="200ms")  # it takes the preface for half of a head

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"


async def test_a_probe_asks_one_question():
    with pytest.raises(PolicyRefused, match="write path or grpc: a probe asks one question"):
        settings_of({"healthCheck": {"path": "/ready", "grpc": {}}})
