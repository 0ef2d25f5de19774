"""The server over real TLS connections."""

import json
import socket
import ssl
import time
from contextlib import asynccontextmanager
from functools import partial

import anyio
import h11
import pytest
from anyio.streams.tls import TLSStream

from discovery.admission.certificate import made
from discovery.admission.review import reviewed
from discovery.admission.rotation import context_of
from discovery.admission.server import BODY_LIMIT_BYTES, CONNECTIONS_MOST, ReviewServer
from discovery.log import logger
from discovery.services.catalogue import POLICY_MAP
from tests.discovery.admission.reviews import review_of
from tests.discovery.kube import policy_map
from tests.fakes.ports import free_port

pytestmark = pytest.mark.anyio
HOST = "nodeproxy-admission.nodeproxy.svc"
LIMIT_S = 60  # only ever used up by a test that fails
GOOD, BAD = review_of(policy_map(_default="{}")), review_of(policy_map(_default="retires: {}"))


class Client:
    """Clients of one server, as the API server is one."""

    def __init__(self, port, kept):
        self.port = port
        self.context = ssl.create_default_context(cadata=kept.authorities.decode())

    async def plain(self):
        while True:
            try:
                return await anyio.connect_tcp("127.0.0.1", self.port)
            except OSError:
                await anyio.lowlevel.checkpoint()

    async def raw(self, text):
        """All that comes back for these bytes."""
        async with await TLSStream.wrap(
            await self.plain(), hostname=HOST, ssl_context=self.context, standard_compatible=False
        ) as stream:
            await stream.send(text)
            answer = b""
            try:
                while True:
                    answer += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return answer

    async def post(self, body, path="/review", method="POST"):
        """Status and body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target=path, headers=[("Host", HOST), ("Content-Length", "0")]))
        connection.receive_data(await self.raw(head.encode() + body))
        response, data = connection.next_event(), connection.next_event()
        return response.status_code, bytes(data.data)


@asynccontextmanager
async def serving(answer=partial(reviewed, mesh_map=POLICY_MAP), taken=False):  # noqa: B008  pure
    """A client of a server; `taken`: of one whose address is that of the socket `client.taken`."""
    kept, port = made(HOST, time.time()), free_port()
    context = context_of(kept)
    server = ReviewServer(lambda: context, answer)
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            client = Client(port, kept)
            if taken:
                client.taken = socket.create_server(("127.0.0.1", port))
            group.start_soon(server.serve, "127.0.0.1", port)
            yield client
            group.cancel_scope.cancel()


async def test_a_review_is_answered():
    async with serving() as client:
        good, bad = await client.post(GOOD), await client.post(BAD)

    assert (good[0], json.loads(good[1])["response"]["allowed"]) == (200, True)
    assert (bad[0], json.loads(bad[1])["response"]["allowed"]) == (200, False)


async def test_many_at_once_are_answered_all():
    answers = []

    async def ask(client):
        answers.append((await client.post(BAD))[0])

    async with serving() as client, anyio.create_task_group() as group:
        for _ in range(CONNECTIONS_MOST):
            group.start_soon(ask, client)

    assert answers == [200] * CONNECTIONS_MOST


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        ({"path": "/other"}, 404),
        ({"method": "PUT"}, 405),
        ({"body": b"{}"}, 400),
        ({"body": b" " * (BODY_LIMIT_BYTES + 1)}, 413),
    ],
)
async def test_what_is_no_review_is_an_answer_without_a_verdict(request_of, status):
    async with serving() as client:
        assert (await client.post(**{"body": GOOD, **request_of}))[0] == status
        assert (await client.post(GOOD))[0] == 200


@pytest.mark.parametrize("text", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"a" * 20_000 + b"\r\n\r\n"])
async def test_what_is_no_http_is_refused(text):
    async with serving() as client:
        assert (await client.raw(text)).startswith(b"HTTP/1.1 4")
        assert (await client.post(GOOD))[0] == 200


async def test_clients_that_say_nothing_or_no_tls_or_leave_harm_no_other():
    async with serving() as client:
        silent = [await client.plain() for _ in range(CONNECTIONS_MOST - 3)]
        broken = await client.plain()
        await broken.send(b"GET / HTTP/1.1\r\n\r\n")
        await (await client.plain()).aclose()

        assert (await client.post(GOOD))[0] == 200
        for each in (*silent, broken):
            await each.aclose()


@pytest.mark.parametrize("text", [b"", b"POST /rev", b"POST /review HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"])
async def test_clients_that_leave_in_the_middle_of_a_request_harm_no_other(text):
    async with serving() as client:
        stream = await TLSStream.wrap(
            await client.plain(), hostname=HOST, ssl_context=client.context, standard_compatible=False
        )
        await stream.send(text)
        await stream.aclose()

        assert (await client.post(GOOD))[0] == 200


async def test_the_place_of_a_connection_that_has_ended_is_free_again():
    async with serving() as client:
        assert [(await client.post(GOOD))[0] for _ in range(CONNECTIONS_MOST + 1)] == [200] * (CONNECTIONS_MOST + 1)


async def test_an_address_in_use_is_logged_once_with_the_cure_and_tried_until_it_is_free(caplog):
    logger.propagate = True
    with caplog.at_level("INFO"):
        async with serving(taken=True) as client:
            while not caplog.records:
                await anyio.lowlevel.checkpoint()
            client.taken.close()

            assert (await client.post(GOOD))[0] == 200

    assert [record.getMessage() for record in caplog.records] == [
        "cannot serve admission; retrying",
        "serving admission",
    ]
    assert "set --admission to an address of this pod" in caplog.records[0].fields["reason"]


async def test_beyond_its_connections_one_more_is_closed():
    async with serving() as client:
        silent = [await client.plain() for _ in range(CONNECTIONS_MOST)]
        one_more = await client.plain()

        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await one_more.receive()
        for each in (*silent, one_more):
            await each.aclose()


async def test_a_bug_in_a_review_is_logged_and_ends_one_connection_and_not_the_server(caplog):
    logger.propagate = True

    def answer(body):
        return {}[body] if body == BAD else reviewed(body, POLICY_MAP)

    async with serving(answer) as client:
        assert (await client.post(BAD))[0] == 500
        assert (await client.post(GOOD))[0] == 200

    assert "a review failed" in [record.getMessage() for record in caplog.records]
