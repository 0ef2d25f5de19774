"""TLS by mesh name through a whole node: the endpoint's certificate reaches the client, as do its bytes."""

import http.server
import json
import subprocess

from nodeproxy.demo.threaded import serving
from tests.discovery.kube import endpoint, service, slice_of
from tests.fakes.node import LIMIT_S, Node, free_port
from tests.fakes.tls import Authority

NAME = "db.shop.mesh"
SIZE = 4 * 1024 * 1024


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(bytes(SIZE))

    def log_message(self, *_):
        pass


def server(authority):
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.socket = authority.server.wrap_socket(httpd.socket, server_side=True)
    return serving(httpd)


def curl(authority, name, port):
    """Status of curl, how many bytes it got, and what it said."""
    done = subprocess.run(
        ["curl", "-sS", "--connect-to", f"{name}:443:127.0.0.1:{port}", "--cacert", authority.certificate,
         "--output", "/dev/null", "--write-out", "%{size_download}", f"https://{name}/"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_name_in_tls_is_passed_through_at_both_addresses(folder):
    authority, tls_port = Authority(folder.parent, NAME), free_port()
    ports = [{"name": "main", "port": 8443, "appProtocol": "https"}]
    with server(authority) as port:
        targets = [{"name": "main", "port": port}]
        objects = (
            service("shop/db", ports=ports, clusterIP="10.96.0.21"),
            slice_of("shop/db", endpoint("127.0.0.1"), ports=targets),
        )
        (folder / "shop.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
        with Node(folder, workers="2", listen_tls=f"127.0.0.1:{tls_port}") as node:
            answers = [curl(authority, NAME, each) for each in (tls_port, node.port)]
            refused = curl(authority, "nobody.shop.mesh", tls_port)
            log = node.log.read_text()

    assert [answer[:2] for answer in answers] == [(0, str(SIZE))] * 2
    assert refused[0] == 35 and "unrecognized name" in refused[2]
    assert "there is no service shop/nobody in the mesh; check its name and namespace" in log
