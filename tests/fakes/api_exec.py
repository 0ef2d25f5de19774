"""An API server that lists pods and nodes, runs exec and forwards ports: v4.channel.k8s.io over a WebSocket."""

import json
import socket as sockets
import subprocess
import threading
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import serve

STDOUT, STDERR, ERROR = b"\1", b"\2", b"\3"


class Api:
    """`pods` are those of the proxy by node, `nodes` all nodes; `forbidden` are paths that are answered with 403.

    `run(words)` is what the pod does: a finished process, or one that runs, whose lines are sent as they come.
    `ports` are where its ports are in truth.
    """

    def __init__(self, pods=None, nodes=(), forbidden=(), run=None, ports=None):
        self.ports = ports or {}
        self.pods, self.nodes, self.forbidden = pods or {}, nodes, forbidden
        self.run = run or (lambda words: subprocess.CompletedProcess(words, 0, b"{}", b""))
        self.asked = []

    def answer(self, connection, request):
        """The response to a plain GET, None for an exec that may begin."""
        parts = urlsplit(request.path)
        query = parse_qs(parts.query)
        if any(each in parts.path for each in self.forbidden):
            return _response(403, "Forbidden", {"kind": "Status", "message": f"{parts.path} is not for you"})
        if parts.path.endswith(("/exec", "/portforward")):
            return None
        if parts.path.endswith("/nodes"):
            return _response(200, "OK", {"kind": "NodeList", "items": [_named(name) for name in self.nodes]})
        node = query["fieldSelector"][0].split(",")[0].removeprefix("spec.nodeName=")
        pods = [_named(name) for name in self.pods.get(node, ())]
        return _response(200, "OK", {"kind": "PodList", "items": pods})

    def serve(self, socket):
        """One exec or one forwarded connection, to its end."""
        parts = urlsplit(socket.request.path)
        query = parse_qs(parts.query)
        if parts.path.endswith("/portforward"):
            self._forward(socket, parts.path.split("/")[-2], int(query["ports"][0]))
        else:
            self._execute(socket, parts, query)

    def _forward(self, socket, pod, port):
        self.asked.append((pod, port))
        for channel in (b"\0", b"\1"):
            socket.send(channel + port.to_bytes(2, "little"))
        try:
            inside = sockets.create_connection(("127.0.0.1", self.ports[port]))
        except (KeyError, OSError) as error:
            socket.send(b"\1" + f"no such port: {error}".encode())
            return

        def down():
            while data := inside.recv(4096):
                socket.send(b"\0" + data)
            socket.close()

        with inside:
            thread = threading.Thread(target=down)
            thread.start()
            for message in socket:
                assert message[:1] == b"\0"
                inside.sendall(message[1:])
            inside.shutdown(sockets.SHUT_RDWR)
            thread.join()

    def _execute(self, socket, parts, query):
        self.asked.append((parts.path.split("/")[-2], query["container"][0], query["command"]))
        done = self.run(query["command"])
        if isinstance(done, subprocess.Popen):  # with a pipe for its stdin
            done = _followed(socket, done, query["stdin"] == ["True"])
        with suppress(ConnectionClosed):
            for channel, text in ((STDOUT, done.stdout), (STDERR, done.stderr)):
                for start in range(0, len(text), 4096):
                    socket.send(channel + text[start : start + 4096])
            status = {"status": "Success"}
            if done.returncode:
                causes = [{"reason": "ExitCode", "message": str(done.returncode)}]
                status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
            socket.send(ERROR + json.dumps(status).encode())


def _followed(socket, process, has_stdin):
    """What a running command has said in the end; its lines are sent as they come.

    As with kubelet and containerd, a client that is gone ends the stdin of the command, if it has one, and no more.
    """

    def end_stdin():
        with suppress(ConnectionClosed):
            for _ in socket if has_stdin else ():
                pass
        process.stdin.close()

    threading.Thread(target=end_stdin).start()  # ends with the connection
    with process:
        for line in process.stdout:
            with suppress(ConnectionClosed):
                socket.send(STDOUT + line)
        stderr = process.stderr.read()
    return subprocess.CompletedProcess(process.args, process.returncode, b"", stderr)


def _named(name):
    return {"metadata": {"name": name, "namespace": "nodeproxy"}}


def _response(status, reason, value):
    body = json.dumps(value).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, reason, headers, body)


@contextmanager
def serving(api, folder):
    """A kubeconfig for `api`, as long as the block runs."""
    subprotocols = ["v4.channel.k8s.io"]
    with serve(api.serve, "127.0.0.1", 0, process_request=api.answer, subprotocols=subprotocols) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.socket.getsockname()[1]}"}}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "clusters": [cluster],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
        }  # fmt: skip
        (folder / "kubeconfig").write_text(json.dumps(config))
        try:
            yield folder / "kubeconfig"
        finally:
            server.shutdown()
            thread.join()
