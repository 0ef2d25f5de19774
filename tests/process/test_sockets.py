"""The sockets that are opened before anything runs."""

import socket

import pytest

from nodeproxy.downstream.listener import bound
from nodeproxy.io.datagrams import bound_datagrams
from nodeproxy.process.sockets import CannotListen, opened
from nodeproxy.settings import Settings
from tests.fakes.node import free_port


@pytest.fixture
def settings():
    listen, listen_tls, admin, dns = (f"127.0.0.1:{free_port()}" for _ in range(4))
    return Settings(listen=listen, listen_tls=listen_tls, admin=admin, dns=dns)


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def test_all_can_be_had_beside_the_proxy_that_is_to_be_followed(settings):
    before = [bound(address(each)) for each in (settings.listen, settings.listen_tls, settings.admin, settings.dns)]
    before.append(bound_datagrams(address(settings.dns)))
    for sock in before[:4]:
        sock.listen()

    opened(settings, 0).close()

    for sock in before:
        sock.close()


def test_nothing_is_left_open_where_one_cannot_be_had(settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(address(settings.dns))
        with pytest.raises(CannotListen, match="Address already in use; change `dns`"):
            opened(settings, 0)

    opened(settings, 0).close()
    for each in (settings.listen, settings.listen_tls):
        with socket.create_server(address(each)):
            pass


def test_the_message_names_the_setting_for_tls(settings):
    with (
        socket.create_server(address(settings.listen_tls)),
        pytest.raises(CannotListen, match="Address already in use; change `listen_tls`"),
    ):
        opened(settings, 0)


def test_the_message_names_an_ipv6_address_as_the_setting_does():
    settings = Settings(listen="[2001:db8::1]:80")

    with pytest.raises(CannotListen, match=r"cannot listen at \[2001:db8::1\]:80: "):
        opened(settings, 0)
