"""Errors of the mesh lead to their explanation, whatever way they take to a client; other responses do not."""

import pytest

from nodeproxy.protocol.help_lines import HelpLines
from tests.fakes.grpc import call, message
from tests.fakes.http2 import http2_client

PAGE = "https://docs.example/troubleshooting/"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"  # without Date, as the mesh's own responses


def link(reason):
    return f'Link: <{PAGE}#{reason}>; rel="help"'.encode()


@pytest.fixture
def documented(world):
    """The mesh with a page of reasons."""
    world.reopen(help_lines=HelpLines(PAGE))
    return world


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: none.shop.mesh\r\n\r\n", "unknown-service"),  # no route has been found
        (b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n", "no-endpoints"),  # its handler fails
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "bad-request"),  # no request at all
    ],
)
async def test_an_error_over_http1_leads_to_its_section(documented, received, reason):
    documented.serve()
    client = await documented.client()

    await client.send(received)

    assert link(reason) in (await client.head()).splitlines()


async def test_a_refusal_of_a_policy_leads_to_its_section(documented):
    documented.serve(documented.endpoint(), policies={"maxRequestBody": {"limit": 1}})
    client = await documented.client()

    await client.send(b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 2\r\n\r\nab")

    assert link("body-too-large") in (await client.head()).splitlines()


async def test_a_response_of_an_endpoint_leads_nowhere(documented):
    endpoint = documented.endpoint()
    documented.serve(endpoint)
    client = await documented.client()

    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    server = await endpoint.accept()
    await server.head()
    await server.send(OK)

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 200 ") and b"Link:" not in head


async def test_a_grpc_call_that_fails_leads_to_its_section_and_names_the_command(documented):
    documented.serve(protocol="http2")
    client = await http2_client(documented)

    _, fields, _, _ = await client.response(await client.request(call(), body=message()))

    fields = dict(fields)
    assert fields[b"link"] == link("no-endpoints").removeprefix(b"Link: ")
    assert fields[b"grpc-message"].endswith(b"(see: nodeproxy why no-endpoints)")


async def test_without_a_page_an_error_names_the_command_alone(world):
    world.serve()
    client = await world.client()

    await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
    head = await client.head()
    body = await client.exactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))

    assert b"Link:" not in head
    assert body.endswith(b"(see: nodeproxy why no-endpoints)\n")
