"""A web server that returns its pod's name and what it sees of the client; it shuts down gracefully on SIGTERM."""

import http.server
import json
import os
import signal
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET with a JSON object; with FAILS in the environment, as a bad version would."""

    protocol_version = "HTTP/1.1"
    timeout = 5  # idle limit of a connection, seconds
    ending = False

    def do_GET(self) -> None:
        seen = {
            "pod": os.environ.get("POD", ""),
            "version": os.environ.get("VERSION", ""),
            "peer": self.client_address[0],
            "forwarded_for": self.headers.get("X-Forwarded-For", ""),
        }
        body = json.dumps(seen).encode() + b"\n"
        self.send_response(500 if "FAILS" in os.environ and self.path != "/healthz" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if Handler.ending:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """No line per request."""


class Server(http.server.ThreadingHTTPServer):
    """One thread per connection; shutdown waits for all of them."""

    daemon_threads = False
    request_queue_size = 128


def main() -> None:
    server = Server(("", 8080), Handler)

    def end(*_: object) -> None:
        Handler.ending = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever()
    server.server_close()  # waits for open connections


main()
