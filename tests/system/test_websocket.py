"""WebSocket through a whole node, with the libraries that applications use."""

import json
import socket
import threading
from contextlib import ExitStack, contextmanager
from random import Random

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.sync.client import connect
from websockets.sync.server import serve

from tests.fakes.node import LIMIT_S, Node, policy, server, service, until

MEGABYTE = Random(1).randbytes(1 << 20)  # no compression makes it less


@contextmanager
def chat(**options):
    """A WebSocket server that answers each message with itself; its port."""

    def echo(connection):
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, max_size=None, **options) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running.socket.getsockname()[1]
        finally:
            running.shutdown()
            thread.join(LIMIT_S)


def chat_service(port):
    """The service `chat`, as Kubernetes says that a port speaks WebSocket."""
    first, *others = service("chat", port).split("\n---\n")
    document = json.loads(first)
    document["spec"]["ports"][0] |= {"name": "chat", "appProtocol": "kubernetes.io/ws"}
    others = [other.replace('"http"', '"chat"') for other in others]
    return "\n---\n".join([json.dumps(document), *others])


def joined(node, uri="ws://chat.shop.mesh/room", **options):
    """A client's connection through the node's listener."""
    sock = socket.create_connection(("127.0.0.1", node.port), LIMIT_S)
    return connect(uri, sock=sock, max_size=None, open_timeout=LIMIT_S, close_timeout=LIMIT_S, **options)


class Http2Client:
    """A WebSocket over HTTP/2 (RFC 8441), of the libraries h2 and websockets, which has no HTTP/2 of its own."""

    def __init__(self, node, path=b"/room"):
        self.status, self.ended = 0, False
        self._sock = socket.create_connection(("127.0.0.1", node.port), LIMIT_S)
        self._h2 = H2Connection(H2Configuration(header_encoding=None))
        self._frames = Protocol(Side.CLIENT, state=OPEN, max_size=None)
        self._unsent = b""
        self._h2.initiate_connection()
        self._h2.send_headers(
            1,
            [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", path),
             (b":authority", b"chat.shop.mesh"), (b"sec-websocket-version", b"13")],
        )  # fmt: skip
        while not self.status:
            self._pump()

    def exchange(self, send):
        """What the server answers to the frame that `send` makes of the protocol; data of a message."""
        send(self._frames)
        self._unsent += b"".join(self._frames.data_to_send())
        while True:
            for frame in self._frames.events_received():
                if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE):
                    return bytes(frame.data)
            self._pump()

    def end(self):
        """End our side, and wait for the server's end."""
        self._h2.end_stream(1)
        self._sock.sendall(self._h2.data_to_send())
        while not self.ended:
            self._pump()
        self._sock.close()

    def _pump(self):
        while self._unsent and (room := min(self._h2.local_flow_control_window(1), 16384)):
            self._h2.send_data(1, self._unsent[:room])
            self._unsent = self._unsent[room:]
        self._sock.sendall(self._h2.data_to_send())
        data = self._sock.recv(65536)
        assert data, "the node has closed the connection"
        for event in self._h2.receive_data(data):
            if isinstance(event, ResponseReceived):
                self.status = int(dict(event.headers)[b":status"])
            elif isinstance(event, DataReceived):
                self._frames.receive_data(event.data)
                self._h2.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, StreamEnded):
                self.ended = True
        self._sock.sendall(self._h2.data_to_send())


def sample(node, name, **labels):
    """The value of one of the service's metrics, None while there is none."""
    shown = ",".join(
        f'{label}="{value}"'
        for label, value in sorted({"namespace": "shop", "port": "80", "service": "chat", **labels}.items())
    )
    for line in node.metrics().splitlines():
        if line.startswith(f"{name}{{{shown}}} "):
            return float(line.rpartition(" ")[2])
    return None


def test_messages_go_both_ways(folder):
    with chat() as port:
        (folder / "chat.yaml").write_text(chat_service(port))
        with Node(folder, "--access-log", "json") as node:
            with joined(node) as client:
                client.send("hello")
                text = client.recv(LIMIT_S)
                client.send(MEGABYTE)
                binary = client.recv(LIMIT_S)
                pong = client.ping().wait(LIMIT_S)
                until(lambda: sample(node, "nodeproxy_tunnels_active") == 1, "the open tunnel to be reported")
            until(lambda: sample(node, "nodeproxy_tunnels_ended_total", reason="") == 1, "the end of the tunnel")
            up = sample(node, "nodeproxy_tunnel_bytes_total", direction="to_endpoint")
            down = sample(node, "nodeproxy_tunnel_bytes_total", direction="to_client")
            until(lambda: '"seconds"' in node.log.read_text(), "its line in the access log")
            (line,) = [json.loads(line) for line in node.log.read_text().splitlines() if '"seconds"' in line]

    assert (text, binary, pong) == ("hello", MEGABYTE, True)
    assert client.close_code == 1000
    assert up > len(MEGABYTE) < down
    assert (line["target"], line["status"], line["reason"], line["service"]) == ("/room", 101, "", "shop/chat:80")


def test_a_client_that_speaks_http2_talks_to_a_server_that_does_not(folder):
    with chat() as port:
        (folder / "chat.yaml").write_text(chat_service(port))
        with Node(folder, "--access-log", "json") as node:
            client = Http2Client(node)
            text = client.exchange(lambda frames: frames.send_text(b"hello"))
            binary = client.exchange(lambda frames: frames.send_binary(MEGABYTE))
            closed = client.exchange(lambda frames: frames.send_close(1000))
            client.end()
            until(lambda: sample(node, "nodeproxy_tunnels_ended_total", reason="") == 1, "the end of the tunnel")
            up = sample(node, "nodeproxy_tunnel_bytes_total", direction="to_endpoint")
            until(lambda: '"seconds"' in node.log.read_text(), "its line in the access log")
            (line,) = [json.loads(line) for line in node.log.read_text().splitlines() if '"seconds"' in line]

    assert (client.status, text, binary == MEGABYTE, closed) == (200, b"hello", True, b"\x03\xe8")
    assert up > len(MEGABYTE)
    assert (line["method"], line["target"], line["status"], line["reason"]) == ("GET", "/room", 101, "")


def test_a_client_that_uses_the_node_as_its_http_proxy_gets_through(folder):
    with chat() as port:
        (folder / "chat.yaml").write_text(chat_service(port))
        with Node(folder) as node:
            proxy = f"http://127.0.0.1:{node.port}"
            with connect("ws://chat.shop.mesh/room", proxy=proxy, open_timeout=LIMIT_S) as client:
                client.send("by CONNECT")
                answer = client.recv(LIMIT_S)

    assert answer == "by CONNECT"


def test_many_clients_at_once_get_their_own_messages(folder):
    with chat() as port:
        (folder / "chat.yaml").write_text(chat_service(port))
        with Node(folder, "--workers", "2") as node, ExitStack() as open_now:
            clients = [open_now.enter_context(joined(node)) for _ in range(30)]
            for turn in range(5):
                for number, client in enumerate(clients):
                    client.send(f"{number} {turn}")
            answers = [[client.recv(LIMIT_S) for _ in range(5)] for client in clients]

    assert answers == [[f"{number} {turn}" for turn in range(5)] for number in range(30)]


def test_a_server_that_declines_is_heard(folder):
    def decline(connection, _request):
        return connection.respond(403, "not you")

    with chat(process_request=decline) as port, server("plain") as plain:
        (folder / "chat.yaml").write_text(chat_service(port))
        (folder / "web.yaml").write_text(service("web", plain, cluster_ip="10.96.0.10"))
        with Node(folder) as node:
            with pytest.raises(InvalidStatus) as declined, joined(node):
                pass
            with pytest.raises(InvalidStatus) as ignored, joined(node, "ws://web.shop.mesh/"):
                pass

    declined, ignored = declined.value.response, ignored.value.response
    assert (declined.status_code, declined.body) == (403, b"not you")
    assert (ignored.status_code, ignored.body) == (200, b"plain")


def test_a_silent_connection_is_closed_after_timeouts_idle(folder):
    with chat(ping_interval=None) as port:
        (folder / "chat.yaml").write_text(chat_service(port))
        (folder / "policy.yaml").write_text(policy(chat__shop="timeouts: {idle: 300ms}"))
        with Node(folder) as node:
            with joined(node, ping_interval=None) as client, pytest.raises(ConnectionClosed):
                client.recv(LIMIT_S)
            until(lambda: sample(node, "nodeproxy_tunnels_ended_total", reason="timeout") == 1, "the end of the tunnel")


def test_a_node_that_ends_leaves_its_connections_until_the_drain_limit(folder):
    with chat() as port:
        (folder / "chat.yaml").write_text(chat_service(port))
        with Node(folder, "--access-log", "json") as node, joined(node) as client:
            node.process.terminate()
            until(lambda: "draining" in node.log.read_text(), "the drain")
            client.send("still here")
            answer = client.recv(LIMIT_S)
            with pytest.raises(ConnectionClosed):
                client.recv(LIMIT_S)
            node.process.wait(LIMIT_S)
            (line,) = [json.loads(line) for line in node.log.read_text().splitlines() if '"seconds"' in line]

    assert answer == "still here"
    assert (line["status"], line["reason"]) == (101, "cancelled")
