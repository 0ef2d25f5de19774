"""The responses the mesh makes itself, read back by its own scanner."""

import pytest

from nodeproxy.errors import BadRequest, ClientGone, HeadTooLarge, NoEndpoints, ProxyError
from nodeproxy.protocol.errors_as_responses import error_head_and_body, own_head, reason_phrase
from nodeproxy.protocol.http1.head import HeadLimits, scan_response

LONG_AGO_S = 784_111_777.9  # the date that RFC 9110, 5.6.7 shows


@pytest.mark.parametrize(
    ("status", "phrase"), [(200, b"OK"), (404, b"Not Found"), (503, b"Service Unavailable"), (499, b""), (0, b"")]
)
def test_a_status_has_its_registered_phrase_or_none(status, phrase):
    assert reason_phrase(status) == phrase


def test_an_own_head_has_a_date_a_type_a_length_and_the_given_fields():
    assert own_head(404, 12, b"text/plain", b"A: 1\r\n", LONG_AGO_S) == (
        b"HTTP/1.1 404 Not Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 12\r\nA: 1\r\n"
    )


def test_a_status_without_a_phrase_is_a_well_formed_head_all_the_same():
    head = scan_response(own_head(499, 0, b"text/plain", b"", LONG_AGO_S) + b"\r\n", HeadLimits())

    assert (head.status, head.length, head.persistent) == (499, 0, True)


@pytest.mark.parametrize("kind", [ProxyError, BadRequest, HeadTooLarge, NoEndpoints, ClientGone])
def test_an_error_tells_its_status_its_reason_and_a_line_to_act_on(kind):
    head, body = error_head_and_body(kind("look at web.shop \u00fc"), LONG_AGO_S)

    scanned = scan_response(head + b"\r\n" + body, HeadLimits())
    assert (scanned.status, scanned.length) == (kind.status, len(body))
    assert b"\r\nx-mesh-error: %b\r\n" % kind.reason.encode() in head
    assert body.decode() == f"nodeproxy: {kind.reason}: look at web.shop \u00fc\n"
