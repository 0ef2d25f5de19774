"""The admin pages."""

import pytest

from nodeproxy.control.admin import Admin
from nodeproxy.errors import UnknownService
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.io.scope import Scope
from tests.fakes.exchanges import STARTED, lane, request, run


def page(target, method=b"GET", ready=True, metrics=("127.0.0.1", 9076)):
    """What the admin listener answers."""
    admin = Admin(metrics, lambda: ready)
    return run(admin(Exchange(request(method, path=target), WholeBody(b""), "127.0.0.1", Scope(lane()), STARTED)))


@pytest.mark.parametrize(
    ("target", "ready", "status", "body"),
    [
        (b"/livez", True, 200, b"alive\n"),
        (b"/livez", False, 200, b"alive\n"),
        (b"/readyz", True, 200, b"ready\n"),
        (b"/readyz", False, 503, b"not ready: no table, or draining\n"),
        (b"/readyz?verbose", True, 200, b"ready\n"),
    ],
)
def test_a_probe_is_told_in_status_and_words(target, ready, status, body):
    response = page(target, ready=ready)

    assert (response.status, response.first, response.length) == (status, body, len(body))
    assert response.status == status
    assert b"Content-Type: text/plain; charset=utf-8\r\n" in response.fields.block()


@pytest.mark.parametrize(
    ("metrics", "where"),
    [
        (("10.0.0.7", 9076), b"http://10.0.0.7:9076/metrics"),
        (("fd00::7", 9076), b"http://[fd00::7]:9076/metrics"),
    ],
)
def test_the_metrics_are_elsewhere_and_the_answer_says_where(metrics, where):
    response = page(b"/metrics", metrics=metrics)

    assert response.status == 308
    assert b"Location: %b\r\n" % where in response.fields.block()
    assert where in response.first


def test_a_head_is_answered_like_a_get():
    assert page(b"/livez", b"HEAD").status == 200


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS"])
def test_nothing_can_be_changed(method):
    response = page(b"/metrics", method)

    assert response.status == 405
    assert b"Allow: GET, HEAD\r\n" in response.fields.block()


@pytest.mark.parametrize("target", [b"/", b"/metrics/", b"/Metrics", b"*", b"/livez/x", b"/debug"])
def test_any_other_page_is_unknown(target):
    with pytest.raises(UnknownService, match=r"/livez and /readyz; `nodeproxy status`"):
        page(target)
