"""A server whose every response is a failure of its own."""

import http.server

from nodeproxy.demo.threaded import serving


def failing(status):
    """The port of one that answers everything with `status`, as long as a `with` lasts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
