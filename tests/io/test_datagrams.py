"""Datagram sockets: bound ones share their address, connected ones have one peer, deaf ones only send."""

import socket

import pytest

from nodeproxy.io.datagrams import bound_datagrams, connected_datagrams, stop_receiving
from tests.fakes.ports import free_port


@pytest.fixture(params=["127.0.0.1", "::1"])
def address(request):
    return request.param, free_port()


def clients(address, number=20):
    return [connected_datagrams(address) for _ in range(number)]


def all_of(sock):
    found = []
    while True:
        try:
            found.append(sock.recv(100))
        except BlockingIOError:
            return found


def test_what_is_sent_to_a_deaf_socket_reaches_the_others_at_its_address(address):
    one, other = bound_datagrams(address), bound_datagrams(address)
    some = clients(address)

    stop_receiving(one)
    for each in some:
        each.send(b"x")

    assert (len(all_of(one)), len(all_of(other))) == (0, len(some))
    for each in (one, other, *some):
        each.close()


def test_a_deaf_socket_gives_out_what_it_had_and_can_send(address):
    one = bound_datagrams(address)
    (client,) = clients(address, 1)
    client.send(b"before")

    stop_receiving(one)
    one.sendto(b"reply", client.getsockname())

    assert all_of(one) == [b"before"] and all_of(client) == [b"reply"]
    client.send(b"after")
    with pytest.raises(ConnectionRefusedError):  # reported by the second one
        client.send(b"after")
    one.close()
    client.close()


def test_a_copy_in_another_process_is_as_deaf(address):
    one = bound_datagrams(address)
    copy = one.dup()
    (client,) = clients(address, 1)

    stop_receiving(one)
    one.close()

    client.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        client.send(b"x")
    copy.close()
    client.close()


def test_a_connected_socket_receives_from_its_peer_only(address):
    peer, stranger = bound_datagrams(address), bound_datagrams((address[0], 0))
    (sock,) = clients(address, 1)

    stranger.sendto(b"forged", sock.getsockname())
    peer.sendto(b"right", sock.getsockname())

    assert all_of(sock) == [b"right"]
    for each in (peer, stranger, sock):
        each.close()


def test_a_burst_waits_in_a_bound_socket():
    sock, plain = bound_datagrams(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    (client,) = clients(sock.getsockname(), 1)

    for _ in range(250):
        client.send(b"query")

    assert len(all_of(sock)) == 250
    sizes = [each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for each in (plain, sock)]
    assert sizes[0] < sizes[1]  # whatever of it the limits of this machine allow
    for each in (sock, plain, client):
        each.close()
