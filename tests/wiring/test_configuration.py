"""Settings reach the parts that they are for."""

from nodeproxy.limits.memory import Memory
from nodeproxy.protocol.http2.limits import HTTP2_LIMITS, Http2Limits
from nodeproxy.settings import Settings
from nodeproxy.wiring.configuration import client_settings_of, data_plane_of
from nodeproxy.wiring.contexts import clients_context


def test_the_limits_of_http2_are_those_of_both_sides():
    settings = Settings(http2_streams_limit=7, http2_window_bytes=100_000, http2_quick_resets_limit=11)

    plane = data_plane_of(settings, Memory(), lambda _error: None)
    clients = clients_context(plane, client_settings_of(settings), None)

    assert plane.upstream.http2 == clients.http2 == Http2Limits(7, 100_000, 11)
    plane.reactor.close()


def test_the_defaults_of_the_settings_are_those_of_the_protocol():
    settings = Settings()

    assert (
        Http2Limits(settings.http2_streams_limit, settings.http2_window_bytes, settings.http2_quick_resets_limit)
        == HTTP2_LIMITS
    )
