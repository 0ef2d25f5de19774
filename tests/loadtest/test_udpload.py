"""udpload on real sockets: from where its queries come, and what it counts as lost or wrong."""

import shutil
import socket
import threading

import pytest

from loadtest.relay.datagrams import load_of
from loadtest.relay.peers import DNS_ADDRESS, Relay
from loadtest.toolbox import Toolbox

QUERIES = 64

pytestmark = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("taskset")), reason="udpload is compiled and pinned at run time"
)


def answer_to(query, address=DNS_ADDRESS):
    """A response with one A record (RFC 1035, 4.1)."""
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(address)
    return query[:2] + b"\x81\x80\x00\x01\x00\x01" + query[8:] + record


class Server:
    """Answers queries as `reply` says, and notes where they come from."""

    def __init__(self, reply):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._reply = reply
        self.relay = Relay("server", {"dns": self._socket.getsockname()})
        self.sources = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            data, source = self._socket.recvfrom(512)
            if not data:
                return
            self.sources.append(source)
            if reply := self._reply(data, len(self.sources)):
                self._socket.sendto(reply, source)

    def stop(self):
        """An empty datagram ends it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory):
    """One for all: the program is compiled once."""
    return Toolbox(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served():
    servers = []

    def serve(reply=lambda query, number: answer_to(query)):
        servers.append(Server(reply))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


def test_all_queries_come_from_one_socket(served, toolbox):
    server = served()

    seen = load_of(toolbox, server.relay, QUERIES, 0)

    assert seen.units == QUERIES
    assert not any(seen.errors.values())
    assert len(set(server.sources)) == 1


def test_each_query_comes_from_a_socket_of_its_own_in_the_network_that_was_told(served, toolbox):
    server = served()

    seen = load_of(toolbox, server.relay, QUERIES, 7)

    assert seen.units == QUERIES
    assert len(set(server.sources)) == QUERIES
    assert all(host.startswith("127.7.") for host, _ in server.sources)


def test_a_query_without_answer_is_lost_and_the_others_go_on(served, toolbox):
    server = served(lambda query, number: answer_to(query) if number != 5 else b"")

    seen = load_of(toolbox, server.relay, QUERIES, 0)

    assert (seen.units, seen.errors["lost"], seen.errors["wrong"]) == (QUERIES - 1, 1, 0)


@pytest.mark.parametrize(
    "reply",
    [
        lambda query: answer_to(query, "192.0.2.99"),
        lambda query: query,
        lambda query: answer_to(query)[:3] + b"\x83" + answer_to(query)[4:],
    ],
    ids=["another address", "a query", "NXDOMAIN"],
)
def test_a_bad_answer_is_wrong(reply, served, toolbox):
    seen = load_of(toolbox, served(lambda query, number: reply(query)).relay, QUERIES, 0)

    assert seen.units == 0
    assert seen.errors["wrong"] > 0
