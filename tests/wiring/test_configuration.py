"""Settings reach the parts that they are for."""

from nodeproxy.limits.memory import Memory
from nodeproxy.protocol.http2.limits import HTTP2_LIMITS, Http2Limits
from nodeproxy.settings import Settings, own_addresses, own_ranges
from nodeproxy.wiring.configuration import client_settings_of, data_plane_of
from nodeproxy.wiring.contexts import clients_context


def test_the_limits_of_http2_are_those_of_both_sides():
    settings = Settings(http2_streams_limit=7, http2_window_bytes=100_000, http2_quick_resets_limit=11)

    plane = data_plane_of(settings, Memory(), lambda _error: None)
    clients = clients_context(plane, client_settings_of(settings), None)

    assert plane.upstream.http2 == clients.http2 == Http2Limits(7, 100_000, 11)
    plane.reactor.close()


def test_errors_lead_to_the_page_of_the_settings():
    settings = Settings(troubleshooting_url="https://docs.example/troubleshooting/")

    plane = data_plane_of(settings, Memory(), lambda _error: None)
    clients = clients_context(plane, client_settings_of(settings), None)

    assert clients.help_lines["timeout"].startswith(b"Link: <https://docs.example/troubleshooting/#timeout>;")
    plane.reactor.close()


def test_the_proxy_is_no_endpoint_of_its_own_and_its_addresses_are_the_nodes():
    settings = Settings(listen="127.0.0.1:8077", listen_tls="127.0.0.2:443", admin="10.0.0.1:9077")

    assert own_addresses(settings) == {("127.0.0.1", 8077), ("127.0.0.2", 443), ("10.0.0.1", 9077)}
    assert own_ranges(settings)[:2] == ("127.0.0.1", "127.0.0.2")


def test_the_defaults_of_the_settings_are_those_of_the_protocol():
    settings = Settings()

    assert (
        Http2Limits(settings.http2_streams_limit, settings.http2_window_bytes, settings.http2_quick_resets_limit)
        == HTTP2_LIMITS
    )
