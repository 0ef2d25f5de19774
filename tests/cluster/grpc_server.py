"""Runs inside a pod: a gRPC server that ends as servers with grpcio do, by `stop` with a grace period.

Messages are bytes: every one that it sends is its pod's name.
"""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

PORT = 8080
THREADS = 32  # calls at a time, each stream one
GRACE_S = 1.0  # for calls that are under way; then the connections are closed
PAUSE_S = 0.05  # between two messages of a stream
POD = os.environ["POD"].encode()
SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse: its field `status`, a varint, is 1
stopped = threading.Event()


def stream(request, context):
    """As many messages as the request says, 0 for no end."""
    left = int(request)
    while context.is_active():
        yield POD
        left -= 1
        if not left:
            return
        time.sleep(PAUSE_S)


class Methods(grpc.GenericRpcHandler):
    """Of the services rollout.Echo and grpc.health.v1.Health."""

    def service(self, handler_call_details):
        """The handler of a call."""
        match handler_call_details.method:
            case "/rollout.Echo/Unary":
                return grpc.unary_unary_rpc_method_handler(lambda _request, _context: POD)
            case "/rollout.Echo/Stream":
                return grpc.unary_stream_rpc_method_handler(stream)
            case "/grpc.health.v1.Health/Check":
                return grpc.unary_unary_rpc_method_handler(lambda _request, _context: SERVING)


def main():
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((Methods(),))
    server.add_insecure_port(f"0.0.0.0:{PORT}")
    server.start()
    stopped.wait()
    server.stop(GRACE_S).wait()


main()
