"""The DNS server over real sockets, asked by a real resolver library and by bytes nobody should send."""

import socket
import struct
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
import trio
import trio.testing

from nodeproxy.dns.on_demand import WAIT_S, EndpointsWaiter
from nodeproxy.dns.server import UDP_MOST, Knowledge, response_to, serve_dns
from nodeproxy.downstream.listener import bound
from nodeproxy.io.datagrams import bound_datagrams
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Put, Replace, Subscribe
from tests.fakes.tables import bare_live

LIMIT_S = 60  # only ever used up by a test that fails
MANY = tuple(Endpoint(f"10.0.{number >> 8}.{number & 255}", 80, hostname="all") for number in range(200))
WEB = Service("shop", "web", "127.77.0.1", (Port(80, "http", "http", MANY),))
QUERY = dns.message.make_query("web.shop.mesh.", "A")
LARGE = dns.message.make_query("all.web.shop.mesh.", "A")


@asynccontextmanager
async def server(*more):
    """A port that answers."""
    live = bare_live(Replace((WEB, *more)))
    awakening = EndpointsWaiter(live)
    stream = bound(("127.0.0.1", 0))
    datagrams = bound_datagrams(stream.getsockname())
    async with trio.open_nursery() as nursery:
        knowledge = Knowledge(lambda: live.table, awakening.want, awakening.until_subscribed)
        nursery.start_soon(serve_dns, datagrams, stream, knowledge)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(LIMIT_S):
            yield stream.getsockname()[1]
        nursery.cancel_scope.cancel()


async def asked(how, query, port, **options):
    return await trio.to_thread.run_sync(lambda: how(query, "127.0.0.1", timeout=LIMIT_S, port=port, **options))


@pytest.mark.trio
@pytest.mark.parametrize("how", [dns.query.udp, dns.query.tcp])
async def test_a_query_is_answered(how):
    async with server() as port:
        response = await asked(how, QUERY, port)

    assert str(response.answer[0][0]) == "127.77.0.1"


@pytest.mark.trio
async def test_what_is_too_large_for_a_datagram_says_so_and_comes_whole_by_tcp():
    async with server() as port:
        short = await asked(dns.query.udp, LARGE, port)
        whole = await asked(dns.query.tcp, LARGE, port)

    assert short.flags & dns.flags.TC and len(short.to_wire()) <= 512
    assert not whole.flags & dns.flags.TC and len(whole.answer[0]) == len(MANY)


@pytest.mark.trio
async def test_several_queries_of_one_connection_are_answered_in_whatever_pieces_they_come():
    wire = QUERY.to_wire()
    message = struct.pack("!H", len(wire)) + wire
    async with server() as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            for byte in message + message[:5]:
                await stream.send_all(bytes([byte]))
            await stream.send_all(message[5:])
            received = b""
            while received.count(socket.inet_aton("127.77.0.1")) < 2:
                received += await stream.receive_some()


@pytest.mark.trio
@pytest.mark.parametrize(
    ("sent", "rcode"),
    [
        (QUERY.to_wire() + b"x", dns.rcode.FORMERR),
        (QUERY.to_wire()[:20], dns.rcode.FORMERR),
        (b"\x00\x01\x01\x00" + b"\xff" * 8, dns.rcode.FORMERR),
        (b"\x00\x01\x01\x00\x00\x01" + bytes(6) + b"\xc0\x0c\x00\x01\x00\x01", dns.rcode.FORMERR),  # points at itself
        (b"", None),
        (b"short", None),
        (b"\x00\x01\x80" + bytes(20), None),  # a response: never answered
        (dns.message.make_response(QUERY).to_wire(), None),
    ],
    ids=["more", "less", "no class", "a loop", "nothing", "short", "an answer", "its own answer"],
)
async def test_bytes_that_are_no_query_get_an_error_or_nothing_and_the_next_query_its_answer(sent, rcode):
    async with server() as port:
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            await client.connect(("127.0.0.1", port))
            await client.send(sent)
            await client.send(QUERY.to_wire())
            first = await client.recv(4096)
            if rcode is not None:
                assert first[:2] == sent[:2] and dns.message.from_wire(first).rcode() == rcode
                first = await client.recv(4096)

    assert dns.message.from_wire(first).answer


@pytest.mark.trio
async def test_a_connection_that_sends_a_response_is_closed():
    wire = dns.message.make_response(QUERY).to_wire()
    async with server() as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(struct.pack("!H", len(wire)) + wire)
            assert await stream.receive_some() == b""


class Rounds(trio.abc.Instrument):
    """How many queries are answered in each round of trio, between which the hot lane has its turn."""

    def __init__(self):
        self.most = self.all = self._now = 0

    def want(self, _key):
        """See Knowledge."""
        self.all, self._now = self.all + 1, self._now + 1
        self.most = max(self.most, self._now)
        return False

    def before_io_wait(self, _timeout):
        """See Instrument."""
        self._now = 0


@pytest.mark.trio
async def test_many_connections_with_many_queries_get_one_response_in_each_round(nursery):
    live, rounds, clients, queries = bare_live(Replace((WEB,))), Rounds(), 20, 10
    stream = bound(("127.0.0.1", 0))
    knowledge = Knowledge(lambda: live.table, rounds.want, trio.sleep)
    nursery.start_soon(serve_dns, bound_datagrams(("127.0.0.1", 0)), stream, knowledge)
    wire = QUERY.to_wire()

    async def ask(port):
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all((struct.pack("!H", len(wire)) + wire) * queries)
            received = b""
            while received.count(socket.inet_aton("127.77.0.1")) < queries:
                received += await client.receive_some()

    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as asking:
        for _ in range(clients):
            asking.start_soon(ask, stream.getsockname()[1])

    assert (rounds.most, rounds.all) == (1, clients * queries)


class Asleep:
    """A mesh whose service nobody has called yet: discovery answers when the test says so."""

    def __init__(self):
        self.live = bare_live(
            Replace((Service("shop", "web", "127.77.0.1", (Port(80),), unsubscribed=True),), on_demand=True)
        )
        self.awakening = EndpointsWaiter(self.live)
        self.knowledge = Knowledge(lambda: self.live.table, self.awakening.want, self.awakening.until_subscribed)

    def wake(self):
        self.live.install(Put(WEB))
        self.awakening.notify()


@pytest.mark.trio
async def test_who_asks_for_a_services_address_has_its_endpoints_asked_for_and_does_not_wait():
    mesh = Asleep()

    response = dns.message.from_wire(await response_to(QUERY.to_wire(), mesh.knowledge, None))

    assert [record.to_text() for record in response.answer[0]] == ["127.77.0.1"]
    assert mesh.live.subscriptions.taken() == [Subscribe("shop/web")]


@pytest.mark.trio
async def test_the_name_of_a_pod_waits_for_the_endpoints(nursery, autojump_clock):
    mesh = Asleep()
    answers = []

    async def ask():
        answers.append(dns.message.from_wire(await response_to(LARGE.to_wire(), mesh.knowledge, None)))

    nursery.start_soon(ask)
    await trio.sleep(WAIT_S / 2)
    before = list(answers)
    mesh.wake()
    await trio.testing.wait_all_tasks_blocked()

    assert before == [] and len(answers[0].answer[0]) == len(MANY)


@pytest.mark.trio
async def test_the_name_of_a_pod_is_unknown_when_nobody_tells_the_endpoints(autojump_clock):
    response = dns.message.from_wire(await response_to(LARGE.to_wire(), Asleep().knowledge, None))

    assert response.rcode() == dns.rcode.SERVFAIL


@pytest.mark.trio
async def test_who_has_asked_before_the_end_is_answered():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(LIMIT_S)
        async with server() as port:
            for _ in range(3):  # and at once the server is told to end
                client.sendto(QUERY.to_wire(), ("127.0.0.1", port))

        answers = [dns.message.from_wire(client.recv(4096)) for _ in range(3)]

    assert [str(each.answer[0][0]) for each in answers] == ["127.77.0.1"] * 3


@pytest.mark.trio
async def test_however_many_wait_for_endpoints_that_nobody_tells_others_are_answered():
    query = dns.message.make_query("db-0.asleep.shop.mesh.", "A").to_wire()
    async with server(Service("shop", "asleep", "127.77.0.2", (Port(80),), unsubscribed=True)) as port:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as pod:
            for _ in range(2 * UDP_MOST):
                await pod.sendto(query, ("127.0.0.1", port))
                await trio.testing.wait_all_tasks_blocked()
            response = await asked(dns.query.udp, QUERY, port)

    assert str(response.answer[0][0]) == "127.77.0.1"
