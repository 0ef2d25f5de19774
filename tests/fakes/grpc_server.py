"""A gRPC server as applications have it, and what tests ask of it. Messages are bytes."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from tests.fakes.node import LIMIT_S, service

SERVICE = "shop.Echo"
OPTIONS = [("grpc.so_reuseport", 0)]


class Echo(grpc.GenericRpcHandler):
    """One method of each kind, and some that misbehave. Remembers what it has seen."""

    def __init__(self):
        self.calls = 0
        self.remaining_s = []
        """What the deadline of each call to `Sleep` has left."""
        self.ended = threading.Event()
        """Whether a call to `Watch` or `Sleep` was ended by its client."""
        self._turn = threading.Lock()

    def service(self, details):
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        methods = {
            "Unary": unary(self._unary),
            "Sizes": grpc.unary_stream_rpc_method_handler(_sizes),
            "Join": grpc.stream_unary_rpc_method_handler(_join),
            "Chat": stream(_chat),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            "Sleep": unary(self._sleep),
            "Fail": unary(_fail),
            "FailLate": grpc.unary_stream_rpc_method_handler(_fail_late),
            "Metadata": unary(_metadata),
        }
        prefix, _, method = details.method.rpartition("/")
        return methods.get(method) if prefix == f"/{SERVICE}" else None

    def _unary(self, request, _context):
        with self._turn:
            self.calls += 1
        return request

    def _watch(self, _request, context):
        context.add_callback(self.ended.set)
        yield b"first"
        self.ended.wait(LIMIT_S)

    def _sleep(self, _request, context):
        self.remaining_s.append(context.time_remaining())
        context.add_callback(self.ended.set)
        self.ended.wait(LIMIT_S)
        return b""


def _sizes(request, _context):
    for size in json.loads(request):
        yield bytes(size)


def _join(requests, _context):
    return b"".join(requests)


def _chat(requests, _context):
    yield from requests


def _fail(request, context):
    asked = json.loads(request)
    context.set_trailing_metadata([(key, bytes(value)) for key, value in asked.get("details", {}).items()])
    context.abort(grpc.StatusCode[asked["code"]], asked["message"])


def _fail_late(request, context):
    yield b"one"
    _fail(request, context)


def _metadata(_request, context):
    asked = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-")]
    context.send_initial_metadata([(f"{key.removesuffix('-bin')}-head{_bin(key)}", value) for key, value in asked])
    context.set_trailing_metadata([(f"{key.removesuffix('-bin')}-tail{_bin(key)}", value) for key, value in asked])
    return b""


def _bin(key):
    return "-bin" if key.endswith("-bin") else ""


@contextmanager
def echo_server(handler=None, **options):
    """A server with this handler; yields its port and the server."""
    server = grpc.server(ThreadPoolExecutor(16), options=OPTIONS, **options)
    server.add_generic_rpc_handlers((handler or Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, server
    finally:
        server.stop(None).wait(LIMIT_S)


def echo_service(*ports):
    """The service `echo`, whose port Kubernetes calls `grpc`."""
    return service("echo", *ports).replace('"name": "http"', '"name": "grpc"')


def channel(node, **options):
    """A channel to the service through the node's listener, with one connection of its own."""
    settings = [("grpc.default_authority", "echo.shop.mesh"), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"127.0.0.1:{node.port}", options=settings, **options)


def unary(channel, method="Unary"):
    """A method that takes one message and returns one."""
    return channel.unary_unary(f"/{SERVICE}/{method}")


def failure(call):
    """The error that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")
