"""TLS at the proxy's own addresses: passed through to the service that the client names, whose certificate it is."""

import ssl
import subprocess
from contextlib import suppress

import pytest

from nodeproxy.downstream.server_name import LOG_EVERY_S
from nodeproxy.errors import ConnectionLost
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.wiring.contexts import by_name_context, tls_context
from tests.fakes.hellos import hello, name, names, real, record
from tests.fakes.tls import Authority, TlsPeer
from tests.fakes.world import World

NAME = "db.shop.mesh"
GET = b"GET / HTTP/1.1\r\nHost: db.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def alert(description):
    return bytes((21, 3, 3, 0, 2, 2, description))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), NAME)


@pytest.fixture(params=["listen", "listen_tls"])
def setting(request):
    return request.param


@pytest.fixture
def world(setting):
    """A mesh that listens as at the address of this setting, at port 443 as far as names are concerned."""
    with World() as world:
        make = by_name_context if setting == "listen" else tls_context
        context = make(world.plane, world.context, 443)
        world.reopen(accept=context.accept, prefaces=context.prefaces)
        yield world


@pytest.fixture
def endpoint(world):
    """Of the service db, which has ports of several kinds: 443 takes TLS."""
    endpoint = world.endpoint()
    install(world, endpoint, Port(443, "main", "tls"), Port(80, "http"))
    return endpoint


def install(world, endpoint, *ports):
    found = (Endpoint("127.0.0.1", endpoint.port, hostname="db-0"),)
    ports = tuple(Port(port.number, port.name, port.protocol, found) for port in ports)
    world.install(Replace((Service("shop", "db", "", ports),)))


async def served(tls):
    """Serve one request."""
    await tls.handshake()
    assert await tls.recv() == GET
    await tls.send(OK)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_reaches_the_service_that_it_names_and_sees_its_certificate(world, endpoint, authority, version):
    context = authority.client
    context.maximum_version = context.minimum_version = version
    client = TlsPeer(await world.client(), context, NAME)
    handshaking = world.reactor.spawn(client.handshake())

    server = TlsPeer(await endpoint.accept(), authority.server, server=True)
    await server.handshake()
    await handshaking.join()
    assert handshaking.ended_by is None
    await client.send(GET)
    assert await server.recv() == GET
    await server.send(OK)

    assert await client.recv() == OK
    assert world.attempts == [] and world.stats.unrouted.connections is None


def started(*command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


async def output_of(world, command, serving):
    """What a program prints while a server task runs."""
    task = world.reactor.spawn(serving)
    with started(*command) as program:
        while program.poll() is None:
            await world.reactor.rest()
        output = program.stdout.read().decode()
    task.cancel()
    await task.join()
    return output


async def test_curl_gets_an_answer(world, endpoint, authority):
    async def serve():
        peer = await endpoint.accept()
        tls = TlsPeer(peer, authority.server, server=True)
        await tls.handshake()
        assert b"\r\nHost: db.shop.mesh\r\n" in await tls.recv()
        await tls.send(OK)
        peer.close()

    port = world.listener.address[1]
    command = ["curl", "-sS", "--connect-to", f"{NAME}:443:127.0.0.1:{port}", "--cacert", authority.certificate]

    assert await output_of(world, [*command, f"https://{NAME}/"], serve()) == "ok"


@pytest.mark.parametrize("flags", [["-tls1_2"], ["-tls1_3"], ["-tls1_3", "-groups", "P-384"]], ids=" ".join)
async def test_openssl_verifies_the_certificate(world, endpoint, authority, flags):
    async def serve():
        await TlsPeer(await endpoint.accept(), authority.server, server=True).handshake()

    connect = f"127.0.0.1:{world.listener.address[1]}"
    command = ["openssl", "s_client", "-connect", connect, "-servername", NAME, "-CAfile", authority.certificate]

    assert "Verify return code: 0 (ok)" in await output_of(world, [*command, *flags], serve())


@pytest.mark.parametrize("flags", [["-tls1_3"], ["-tls1_2"], ["-tls1", "-cipher", "ALL:@SECLEVEL=0"]], ids=" ".join)
async def test_openssl_reports_the_name_that_is_unknown(world, endpoint, flags):
    async def serve():
        await endpoint.accept()

    connect = f"127.0.0.1:{world.listener.address[1]}"
    command = ["openssl", "s_client", "-connect", connect, "-servername", "nobody.shop.mesh"]

    assert ":tlsv1 unrecognized name:" in await output_of(world, [*command, *flags], serve())


async def test_pythons_client_reports_the_name_that_is_unknown(world, endpoint, authority):
    client = TlsPeer(await world.client(), authority.client, "nobody.shop.mesh")

    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        await client.handshake()


@pytest.mark.parametrize(
    ("sent", "description", "reason"),
    [
        (real("nobody.shop.mesh"), 112, "unknown-service"),
        (real("example.org"), 112, "unknown-service"),
        (record(hello(names(name(b"10.0.0.1")))), 112, "unknown-service"),
        (real(None), 109, "unknown-service"),
        (record(hello(names(name(b"a.mesh"), name(b"b.mesh")))), 50, "bad-request"),
        (b"\x16\x03\x01\x00\x00", 50, "bad-request"),
        (b"\x16\x02\x01\x00\x10", 50, "bad-request"),
    ],
)
async def test_a_refusal_is_an_alert_that_is_counted_and_logged(world, endpoint, caplog, sent, description, reason):
    client = await world.client()

    await client.send(sent)

    assert await client.rest() == alert(description)
    assert endpoint.nobody_came()
    assert world.stats.unrouted.connections.reasons == {reason: 1}
    assert [(line[1], line[2].protocol, line[2].reason) for line in world.log] == [("", "tls", reason)]
    (record_,) = [each for each in caplog.records if each.getMessage() == "TLS connection refused"]
    assert record_.client == "127.0.0.1" and record_.error


async def test_refusals_are_not_logged_one_by_one(world, endpoint, caplog):
    async def refused():
        client = await world.client()
        await client.send(real("nobody.shop.mesh"))
        await client.rest()

    for _ in range(3):
        await refused()
    world.advance(LOG_EVERY_S)
    await refused()

    assert [each.others_before for each in caplog.records] == [0, 2]


async def test_a_hello_in_pieces_is_put_together(world, endpoint):
    client, sent = await world.client(), real(NAME)

    for byte in sent:
        await client.send(bytes((byte,)))
        await world.settle(1)

    assert await (await endpoint.accept()).exactly(len(sent)) == sent


async def test_a_hello_that_does_not_end_is_not_waited_for(world, endpoint):
    client = await world.client()
    await client.send(real(NAME)[:100])
    await world.settle()

    world.advance(world.context.head_timeout_s)

    assert await client.rest() == b""
    assert world.stats.unrouted.connections.reasons == {"head-timeout": 1}
    assert endpoint.nobody_came()


@pytest.mark.parametrize("setting", ["listen_tls"], indirect=True)
async def test_at_an_address_for_tls_a_silent_client_is_not_waited_for(world):
    client = await world.client()
    await world.settle()

    world.advance(world.context.head_timeout_s)

    assert await client.rest() == b""
    assert world.stats.unrouted.connections is None


async def test_http_is_served_by_name_at_the_same_address(world, endpoint):
    client = await world.client()

    await client.send(GET)
    server = await endpoint.accept()
    assert b"x-forwarded-for" in (await server.head()).lower()
    await server.send(OK)

    assert await client.until(b"ok")


async def test_an_endpoint_that_is_down_ends_the_connection(world, endpoint):
    endpoint.stop()
    client = await world.client()

    await client.send(real(NAME))

    with suppress(ConnectionLost):
        assert await client.rest() == b""


async def test_a_pod_may_be_named(world, endpoint):
    client, sent = await world.client(), real(f"db-0.{NAME}")

    await client.send(sent)

    assert await (await endpoint.accept()).exactly(len(sent)) == sent


async def test_behind_a_connect_tls_leads_nowhere_else(world, endpoint):
    client = await world.client()
    await client.send(b"CONNECT db.shop.mesh:80 HTTP/1.1\r\nHost: db.shop.mesh:80\r\n\r\n")
    await client.head()

    await client.send(real(NAME))

    assert (await client.rest()).startswith(b"HTTP/1.1 400 ")
    assert endpoint.nobody_came()


async def test_a_client_that_has_named_no_server_makes_way(world, setting):
    client = await world.client()
    await client.send(real(NAME)[:10])
    await world.settle()
    assert not world.connections.make_room()

    world.advance(1.0)
    await world.settle()

    assert world.connections.make_room()
    assert await client.rest() == b""


async def test_a_drain_closes_silent_clients(world):
    client = await world.client()
    await world.settle()
    world.connections.drain()

    world.connections.hang_up()

    assert await client.rest() == b""
