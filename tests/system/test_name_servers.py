"""A real DNS server behind a mesh address, over UDP and TCP on one port, asked by dig and by many clients at once."""

import re
import selectors
import socket
from collections import deque

import dns.message
import dns.rcode
import pytest

from tests.fakes.bare_mesh import bare_mesh
from tests.fakes.bare_services import Served
from tests.fakes.name_server import BIG, EDNS_BYTES, TEXTS, dnsmasq
from tests.fakes.node import LIMIT_S, until
from tests.fakes.programs import program, said

DOMAIN = 53
SOCKETS, QUERIES_EACH = 500, 10
AT_ONCE = 50  # queries under way: a queue of the kernel holds them


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """A node with two workers, and the mesh address of the server."""
    folder = tmp_path_factory.mktemp("names") / "mesh"
    with dnsmasq() as port, bare_mesh(folder, "--workers", "2") as mesh:
        ports = Served(DOMAIN, port, "domain"), Served(DOMAIN, port, "domain", "UDP")
        mesh.address = mesh.serve("names", *ports)
        until(lambda: answers(mesh.address), "the mesh to serve UDP there")
        yield mesh


@pytest.fixture
def address(mesh):
    return mesh.address


def query(name, number=0):
    return dns.message.make_query(name, "A", id=number).to_wire()


def answers(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LIMIT_S)  # while nothing listens there, the kernel refuses at once
        sock.connect((address, DOMAIN))
        try:
            return bool(sock.send(query("a.one.test")) and sock.recv(4096))
        except OSError:
            return False


def dig(address, *words):
    command = (program("bind9-dnsutils", "dig"), f"@{address}", "-p", str(DOMAIN), "+tries=1", f"+time={LIMIT_S:.0f}")
    return said(*command, *words)


def test_small_answers(address):
    assert dig(address, "+short", "a.one.test", "A").split() == ["192.0.2.1"]
    assert "status: NXDOMAIN" in dig(address, "nowhere.test", "A")


def test_answers_larger_than_a_packet_of_the_network_arrive_over_udp(address):
    addresses = dig(address, "+notcp", "+ignore", f"+bufsize={EDNS_BYTES}", "big.test", "A")
    texts = dig(address, "+notcp", "+ignore", "+bufsize=4096", "+short", "text.test", "TXT")

    assert set(re.findall(r"\tA\t(\S+)", addresses)) == set(BIG)
    assert int(re.search(r"MSG SIZE +rcvd: (\d+)", addresses)[1]) > 4096
    assert re.findall(r'"([^"]+)"', texts) == TEXTS


def test_an_answer_that_does_not_fit_comes_over_tcp_from_the_same_address(address):
    received = dig(address, "+noedns", "big.test", "A")

    assert "Truncated, retrying in TCP mode" in received and "(TCP)" in received
    assert set(re.findall(r"\tA\t(\S+)", received)) == set(BIG)


def test_no_query_of_many_clients_is_lost(mesh):
    waiting = deque(range(SOCKETS * QUERIES_EACH))
    free, under_way, answered = deque(), {}, set()
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(SOCKETS):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                selector.register(sock, selectors.EVENT_READ)
                sock.connect((mesh.address, DOMAIN))
                free.append(sock)
            while len(answered) < SOCKETS * QUERIES_EACH:
                while waiting and len(under_way) < AT_ONCE:
                    sock, number = free.popleft(), waiting.popleft()
                    under_way[sock] = number
                    sock.send(query(f"q{number}.one.test", number))
                ready = selector.select(LIMIT_S)
                assert ready, f"{len(under_way)} queries without an answer, after {len(answered)} with one"
                for key, _ in ready:
                    sock, number = key.fileobj, under_way.pop(key.fileobj)
                    response = dns.message.from_wire(sock.recv(4096))
                    assert response.id == number and response.question[0].name.to_text() == f"q{number}.one.test."
                    assert response.rcode() == dns.rcode.NOERROR
                    answered.add(number)
                    free.append(sock)
        finally:
            for key in list(selector.get_map().values()):
                key.fileobj.close()
    for way in ("to_endpoint", "to_client"):
        until(lambda way=way: passed(mesh, way) >= SOCKETS * QUERIES_EACH, f"the datagrams {way} to be reported")


def passed(mesh, way):
    return mesh.sample("nodeproxy_udp_datagrams_total", service="names", direction=way) or 0
