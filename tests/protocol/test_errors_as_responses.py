"""The responses the mesh makes itself, read back by its own scanner."""

import pytest

from nodeproxy.errors import BadRequest, ClientGone, HeadTooLarge, NoEndpoints, ProxyError
from nodeproxy.protocol.errors_as_responses import error_response, own_response, reason_phrase
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.response_head import scan_response
from nodeproxy.protocol.http1.sending import response_head

LONG_AGO_S = 784_111_777.9  # the date that RFC 9110, 5.6.7 shows


@pytest.mark.parametrize(
    ("status", "phrase"), [(200, b"OK"), (404, b"Not Found"), (503, b"Service Unavailable"), (499, b""), (0, b"")]
)
def test_a_status_has_its_registered_phrase_or_none(status, phrase):
    assert reason_phrase(status) == phrase


def test_an_own_response_has_a_type_a_length_and_the_given_fields():
    response = own_response(404, b"not here", b"text/plain", b"A: 1\r\n")

    assert response_head(response, b"\r\n") == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 8\r\nA: 1\r\n\r\n"
    )
    assert (response.first, response.length, response.version, response.dated) == (b"not here", 8, b"", False)


def test_a_status_without_a_phrase_is_a_well_formed_head_all_the_same():
    sent = response_head(own_response(499, b"", b"text/plain"), b"\r\n")

    scanned = scan_response(sent, HeadLimits())
    assert (scanned.response.status, scanned.response.length, scanned.persistent) == (499, 0, True)


@pytest.mark.parametrize("status", [100, 204])
def test_a_status_without_a_body_has_no_length(status):
    assert own_response(status, b"", b"text/plain").fields.block() == b""


@pytest.mark.parametrize("kind", [ProxyError, BadRequest, HeadTooLarge, NoEndpoints, ClientGone])
def test_an_error_has_its_status_its_reason_and_a_line_to_act_on(kind):
    response = error_response(kind("look at web.shop \u00fc"))

    assert (response.status, response.reason, response.length) == (kind.status, kind.reason, len(response.first))
    assert response.fields.get(b"x-mesh-error") == kind.reason.encode()
    assert response.first.decode() == (
        f"nodeproxy: {kind.reason}: look at web.shop \u00fc (see: nodeproxy why {kind.reason})\n"
    )


@pytest.mark.parametrize(("wait_s", "told"), [(None, None), (0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2")])
def test_an_error_says_when_to_come_again_in_whole_seconds_and_never_at_once(wait_s, told):
    assert error_response(NoEndpoints("none"), wait_s).fields.get(b"retry-after") == told
