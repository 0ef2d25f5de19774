"""The client of the API server, against a TLS server, and through a proxy that is one."""

import asyncio
import json
from base64 import b64encode
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from discovery.sources.cluster.access import Access, NoAccess
from discovery.sources.cluster.api import LINE_BYTES, connected
from discovery.sources.cluster.errors import Busy, Conflict, Unreachable, Unreadable
from tests.fakes.tls import Authority

pytestmark = pytest.mark.anyio
NAME = "api.example.com"
END = None
"""In place of an answer, or behind a part of one: the server closes."""
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Server:
    """Answers each request with the next of `answers`; remembers requests."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.requests = []
        self.connections = self.open = 0

    async def serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].partition(b":")[2]) if length else 0)
                self.requests.append((head.decode(), body))
                if (answer := self._answers.pop(0)) is END:
                    break
                writer.write(answer)
                await writer.drain()
                if self._answers == [END]:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, NAME)


@asynccontextmanager
async def listening(serve, context=None):
    served = set()

    async def tracked(reader, writer):
        served.add(one := (asyncio.current_task(), writer))
        await serve(reader, writer)
        served.remove(one)

    server = await asyncio.start_server(tracked, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in tuple(served):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*(task for task, _ in served), return_exceptions=True)


@asynccontextmanager
async def api_of(answering, authority, folder, **cluster):
    """The client of a kubeconfig for this server, whose fields of `cluster` are added."""
    async with listening(answering.serve, authority.server) as port:
        file = folder / "kubeconfig"
        value = {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {"tokenFile": str(folder / "token")}}],
            "clusters": [{"name": "a", "cluster": {
                "server": f"https://127.0.0.1:{port}/prefix", "certificate-authority": authority.certificate,
                "tls-server-name": NAME, **cluster,
            }}],
        }  # fmt: skip
        (folder / "token").write_text("first")
        file.write_text(json.dumps(value))
        async with connected(Access(file)) as api:
            yield api


def sized(body, status=b"HTTP/1.1 200 OK", more=b""):
    return status + b"\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), more, body)


async def test_a_list_is_asked_for_by_path_query_and_token(authority, tmp_path):
    server = Server(sized(b"[1]"), sized(b"[2]"))

    async with api_of(server, authority, tmp_path) as api:
        first = await api.read("/api/v1/services", {"limit": "500", "continue": "a/b=&c"})
        second = await api.read("/api/v1/pods", {})

    assert (first, second, server.connections) == (b"[1]", b"[2]", 1)
    head = server.requests[0][0].split("\r\n")
    assert head[0] == "GET /prefix/api/v1/services?limit=500&continue=a%2Fb%3D%26c HTTP/1.1"
    assert {"authorization: bearer first", "accept: application/json"} <= {line.lower() for line in head}


async def test_a_token_that_is_refused_is_read_again(authority, tmp_path):
    server = Server(sized(b"[1]"), sized(b"[2]"))

    async with api_of(server, authority, tmp_path) as api:
        await api.read("/a", {})
        (tmp_path / "token").write_text("second")
        await api.reload_token()
        await api.read("/b", {})

    assert [("second" in head, "first" in head) for head, _ in server.requests] == [(False, True), (True, False)]


async def test_a_change_is_sent_as_json_of_its_type(authority, tmp_path):
    server = Server(sized(b"{}"), sized(b"{}", b"HTTP/1.1 201 Created"))

    async with api_of(server, authority, tmp_path) as api:
        await api.merge("/m", {"a": {"b": None}})
        await api.create("/c", {"é": 1})

    (merge, merged), (create, created) = server.requests
    assert merge.startswith("PATCH /prefix/m?fieldManager=nodeproxy HTTP/1.1\r\n")
    assert "content-type: application/merge-patch+json" in merge.lower()
    assert create.startswith("POST /prefix/c?") and "content-type: application/json" in create.lower()
    assert (json.loads(merged), json.loads(created)) == ({"a": {"b": None}}, {"é": 1})


async def test_lines_are_whole_however_they_arrive(authority, tmp_path):
    chunks = [b"{1}\n{2", b"}\n", b"{3}\n{4}\n"]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    server = Server(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body)

    async with api_of(server, authority, tmp_path) as api, api.lines("/w", {"watch": "1"}, 5.0) as lines:
        assert [line async for line in lines] == [b"{1}", b"{2}", b"{3}", b"{4}"]


async def test_a_watch_that_is_left_gives_its_connection_up(authority, tmp_path):
    server = Server(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\n{1}\n\r\n", sized(b"[]"))

    async with api_of(server, authority, tmp_path) as api:
        async with api.lines("/w", {}, 5.0) as lines:
            assert await anext(lines) == b"{1}"
        await api.read("/r", {})

    assert server.connections == 2


async def test_watches_that_are_cancelled_at_any_moment_leave_no_connection(authority, tmp_path):
    server = Server(*[CHUNKED] * 1000)

    async with api_of(server, authority, tmp_path) as api:
        for steps in [*range(60), *range(60)]:
            async with anyio.create_task_group() as group:
                group.start_soon(all_of, api)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        while server.open:
            await anyio.lowlevel.checkpoint()

    assert server.connections > 10


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def all_of(api, silence_s=5.0):
    async with api.lines("/w", {}, silence_s) as lines:
        return [line async for line in lines]


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([CHUNKED + b"3\r\n{1}\r\n0\r\n\r\n"], "broken off within a line"),
        ([CHUNKED + b"4\r\n{1", END], "incomplete chunked read"),
        ([END], "disconnected without sending a response"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "illegal status line"),
    ],
)
async def test_what_breaks_off_is_unreachable(authority, tmp_path, answers, text):
    async with api_of(Server(*answers), authority, tmp_path) as api:
        with pytest.raises(Unreachable, match=text):
            await all_of(api)


async def test_a_silent_server_is_unreachable(authority, tmp_path):
    async with api_of(Server(CHUNKED), authority, tmp_path) as api:
        with pytest.raises(Unreachable, match="ReadTimeout"):
            await all_of(api, silence_s=0.05)


async def test_a_line_without_end_is_unreadable(authority, tmp_path):
    server = Server(sized(b"x" * (LINE_BYTES + 1)))

    async with api_of(server, authority, tmp_path) as api:
        with pytest.raises(Unreadable, match=f"more than {LINE_BYTES} bytes"):
            await all_of(api)


@pytest.mark.parametrize(
    ("answer", "kind", "text", "after_s"),
    [
        (sized(b'{"message": "it has changed"}', b"HTTP/1.1 409 Conflict"), Conflict, "^it has changed$", 0),
        (sized(b"busy", b"HTTP/1.1 429 Too Many Requests", b"retry-after: 7\r\n"), Busy, "429: Too Many Requests", 7),
        (sized(b"{}", b"HTTP/1.1 503 Down", b"Retry-After: soon\r\n"), Busy, "503: ", 0),
        (sized(b"y" * 1_000_000, b"HTTP/1.1 500 Oh"), Busy, "500: Oh", 0),
    ],
)
async def test_an_error_has_the_servers_words(authority, tmp_path, answer, kind, text, after_s):
    async with api_of(Server(answer), authority, tmp_path) as api:
        with pytest.raises(kind, match=text) as caught:
            await api.read("/a", {})
    assert caught.value.retry_after_s == after_s


async def test_a_certificate_for_another_name_is_refused(authority, tmp_path):
    async with api_of(Server(), authority, tmp_path, **{"tls-server-name": "other.example.com"}) as api:
        with pytest.raises(Unreachable, match="certificate is not valid for 'other"):
            await api.read("/a", {})


async def test_a_server_that_does_not_listen_is_unreachable(authority, tmp_path):
    async with api_of(Server(), authority, tmp_path, server="https://127.0.0.1:1") as api:
        with pytest.raises(Unreachable, match="ConnectError"):
            await api.read("/a", {})


@pytest.mark.parametrize("by", ["kubeconfig", "environment"])
async def test_a_proxy_is_asked_for_a_tunnel(authority, tmp_path, monkeypatch, by):
    server, asked = Server(sized(b"[1]")), []

    async def tunnel(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        host, port = asked[0].split()[1].split(":")
        back, forth = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")

        async def copy(source, sink):
            while data := await source.read(65536):
                sink.write(data)

        try:
            await asyncio.gather(copy(reader, forth), copy(back, writer))
        finally:
            forth.transport.abort()

    async with listening(tunnel) as port:
        url = f"http://user:p%40ss@127.0.0.1:{port}"
        if by == "environment":
            monkeypatch.setenv("HTTPS_PROXY", url)
        more = {"proxy-url": url} if by == "kubeconfig" else {}
        async with api_of(server, authority, tmp_path, **more) as api:
            assert await api.read("/a", {}) == b"[1]"

    credentials = b64encode(b"user:p@ss").decode()
    assert asked[0].startswith("CONNECT 127.0.0.1:") and f"proxy-authorization: basic {credentials}" in (
        asked[0].replace("Proxy-Authorization: Basic", "proxy-authorization: basic")
    )


async def test_a_server_that_the_environment_excepts_is_reached_directly(authority, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")

    async with api_of(Server(sized(b"[1]")), authority, tmp_path) as api:
        assert await api.read("/a", {}) == b"[1]"


@pytest.mark.parametrize("missing", ["certificate-authority", "proxy-url"])
async def test_a_configuration_that_cannot_be_used_is_no_access(authority, tmp_path, missing):
    (tmp_path / "empty.pem").write_text("")
    value = {"certificate-authority": str(tmp_path / "empty.pem"), "proxy-url": "http://[::1"}[missing]
    with pytest.raises(NoAccess, match="kubeconfig: "):
        async with api_of(Server(), authority, tmp_path, **{missing: value}):
            pass
