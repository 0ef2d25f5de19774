"""A collector of traces: real HTTP, the official messages, answers that a test scripts."""

import gzip
import http.server
import threading
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from nodeproxy.demo.threaded import serving


class Collected:
    """What has come, and what is answered: (status, fields, body) each, 200 after the last one."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.fields = []
        self.paths = []
        self.port = 0
        self._turn = threading.Lock()

    def take(self, path, fields, body):
        with self._turn:
            self.paths.append(path)
            self.fields.append(fields)
            self.requests.append(ExportTraceServiceRequest.FromString(gzip.decompress(body)))
            return self.answers.pop(0) if self.answers else (200, {}, b"")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self):
        """All spans that have come."""
        with self._turn:
            requests = list(self.requests)
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def partly(rejected, why="quota"):
    """The body of an answer that rejects some spans."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans, response.partial_success.error_message = rejected, why
    return response.SerializeToString()


def attributes(holder):
    """The attributes of a span, an event or a resource as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}


@contextmanager
def collector(*answers):
    """Runs a collector; yields its `Collected`."""
    collected = Collected(*answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, fields, answer = collected.take(self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **fields}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as collected.port:
        yield collected
