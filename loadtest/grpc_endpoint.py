"""The gRPC server behind the peers: `python grpc_endpoint.py PORT`; each call returns its request.

Alone, because grpcio lives in the benchmark's own environment.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc  # type: ignore[import-not-found,import-untyped,unused-ignore]

THREADS = 4  # the server with threads answers twice as many calls per second as grpc.aio's


def echo(request: bytes, context: object) -> bytes:
    """The request."""
    return request


class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[misc,unused-ignore]
    """Answers unary calls of every method; messages are bytes."""

    def service(self, handler_call_details: object) -> object:
        """The handler of a call."""
        return grpc.unary_unary_rpc_method_handler(echo)


def main(port: str) -> None:
    """Serve until the process is ended."""
    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((AnyMethod(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
