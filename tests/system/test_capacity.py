"""A node under low limits: what cannot be served is said, what looks after the node is answered, no worker ends."""

import http.client
import http.server
import resource
import select
import socket
import threading
from collections import Counter
from contextlib import ExitStack

from nodeproxy.demo.threaded import serving
from nodeproxy.io.capacity import ADMIN_MOST, Capacity
from tests.fakes.node import LIMIT_S, Gate, Node, server, service, until


def number(node, name):
    """The value of a series without labels, None while no worker has reported."""
    return next((float(line.split()[1]) for line in node.metrics().splitlines() if line.startswith(f"{name} ")), None)


def has_ended(sock):
    return bool(select.select([sock], [], [], 0)[0])


def echo(received):
    """A server that answers with the path and the body of each request, whose paths it adds to `received`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self):
            received[self.path] += 1
            body = self.path.encode() + self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

    return serving(Server(("127.0.0.1", 0), Handler))


def asked(connection, path, body):
    """The status and the body that answer a POST; None where the mesh has closed the idle connection before."""
    try:
        connection.request("POST", path, body, {"Host": "web.shop.mesh"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionError:
        connection.close()
        return None


def test_a_low_soft_limit_of_open_files_is_raised(folder):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    (folder / "web.yaml").write_text(service("web"))

    with Node(folder, ulimit="-Sn 128") as node:
        until(lambda: number(node, "nodeproxy_open_files_limit") == hard, "the report")


def test_services_beyond_a_low_hard_limit_are_told_and_the_worker_lives(folder):
    files, beyond = 400, 5
    most = Capacity(files, 16384).listeners_most
    with server("one") as port:
        (folder / "web.yaml").write_text(service("web", port, cluster_ip="10.96.1.1", port=8080))
        for index in range(most + beyond - 1):
            text = service(f"s{index}", port, cluster_ip=f"10.96.2.{index + 1}", port=8080)
            (folder / f"s{index}.yaml").write_text(text)
        with Node(folder, ulimit=f"-n {files}") as node:
            (worker,) = node.children()["worker"]
            until(lambda: number(node, "nodeproxy_virtual_listeners_missing") == beyond, "the last of them")
            answer = node.get("web.shop.mesh")
            same = node.children()["worker"] == [worker]
            clients = number(node, "nodeproxy_downstream_connections_limit")
            log = node.log.read_text()

    assert answer == (200, "one") and same
    assert clients == Capacity(files, 16384).clients_most(most)
    assert log.count("virtual address not served") == beyond
    assert log.count("fewer downstream connections than configured") == 1


def test_a_worker_full_of_clients_still_answers_its_probes(folder):
    gate = Gate()
    (folder.parent / "few.yaml").write_text("downstream_connections_limit: 2\n")
    with server("one", gate) as port, ExitStack() as stack:
        (folder / "web.yaml").write_text(service("web", port))
        node = stack.enter_context(Node(folder, "--config", str(folder.parent / "few.yaml")))
        busy = [threading.Thread(target=node.get, args=("web.shop.mesh", "/slow")) for _ in range(2)]
        stack.callback(lambda: [gate.go.set(), *(each.join() for each in busy)])
        for each in busy:
            each.start()
        until(
            lambda: 'requests_active{namespace="shop",port="80",service="web"} 2.0' in node.metrics(), "both requests"
        )
        where = ("127.0.0.1", node.admin)
        idle = [stack.enter_context(socket.create_connection(where)) for _ in range(ADMIN_MOST + 5)]

        answers = [node.admin_page(path)[0] for path in ("/livez", "/readyz", "/debug")]
        until(lambda: sum(map(has_ended, idle)) >= 5, "those idle longest to be closed")

    assert answers == [200, 200, 404]


def test_more_clients_than_descriptors_each_get_their_own_answers(folder):
    received, answers = Counter(), {}

    def client(which, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        for request in range(20):
            path = f"/{which}/{request}"
            while (answer := asked(connection, path, path.encode() * 50)) is None:
                assert not received[path], "closed over a request that it had passed on"
            answers[path] = answer
        connection.close()

    with echo(received) as one, echo(received) as other:
        (folder / "web.yaml").write_text(service("web", one, other))
        with Node(folder, ulimit="-n 48") as node:
            clients = [threading.Thread(target=client, args=(which, node.port)) for which in range(60)]
            for each in clients:
                each.start()
            for each in clients:
                each.join()
            most = number(node, "nodeproxy_downstream_connections_limit")

    assert most < len(clients)
    assert len(answers) == 60 * 20
    assert all(answer == (200, path.encode() * 51) for path, answer in answers.items())
    assert set(received.values()) == {1}
