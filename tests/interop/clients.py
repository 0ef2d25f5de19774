"""gRPC clients in Go, Java and JavaScript, with one call of each kind through a whole node (`make interop`)."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from tests.fakes.grpc_server import OPTIONS, echo_service
from tests.fakes.node import Node

BUILT = Path(__file__).parents[2] / "build" / "interop"
JAVA = BUILT / "java" / "target"
CLIENTS = {
    "go": [BUILT / "go" / "client"],
    "java": ["java", "-cp", f"{JAVA / 'classes'}:{JAVA / 'dependency'}/*", "interop.Client"],
    "node": ["node", BUILT / "node" / "client.js"],
}
LIMIT_S = 60.0  # of a client, whose own calls have 20 s each


def text_of(message):
    """The text of a google.protobuf.StringValue: field 1, at most 127 bytes."""
    return message[2:].decode()


def packed(text):
    """A google.protobuf.StringValue; field 1 is absent if the text is empty."""
    data = text.encode()
    return b"\x0a" + bytes([len(data)]) + data if data else b""


def named(answer):
    """A method that returns the caller's name as a trailer."""

    def method(request, context):
        fields = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-called-by", fields.get("x-caller", "nobody")),))
        return answer(request)

    return method


CODEC = {"request_deserializer": text_of, "response_serializer": packed}
METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(named(str), **CODEC),
    "Split": grpc.unary_stream_rpc_method_handler(named(lambda text: iter(text.split())), **CODEC),
    "Join": grpc.stream_unary_rpc_method_handler(named(" ".join), **CODEC),
    "Chat": grpc.stream_stream_rpc_method_handler(named(iter), **CODEC),
}


@contextmanager
def server():
    """A server of echo.proto; yields its port."""
    server = grpc.server(ThreadPoolExecutor(4), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("interop.Echo", METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait(LIMIT_S)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interop") / "mesh"
    folder.mkdir()
    with server() as port:
        (folder / "echo.yaml").write_text(echo_service(port))
        with Node(folder) as node:
            yield node


@pytest.mark.parametrize("language", CLIENTS)
def test_each_kind_of_call_is_answered_with_its_trailers(node, language):
    words = [*CLIENTS[language], f"127.0.0.1:{node.port}", "echo.shop.mesh"]

    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)

    kinds = ("unary", "server streaming", "client streaming", "bidirectional")
    assert (done.returncode, done.stdout.splitlines()) == (0, [f"{kind} ok" for kind in kinds]), done.stderr
