"""The line of an exchange in the access log."""

from math import inf

from nodeproxy.exchange.access_log import AccessLog
from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.call import Call
from nodeproxy.exchange.connection import Ended
from nodeproxy.mesh.callers import Known
from tests.exchange.test_exchange import Endpoint
from tests.fakes.exchanges import STARTED, exchange


def test_a_line_says_why_a_failed_request_was_not_sent_again():
    lines, one = [], exchange()
    one.not_retried = "over-budget"

    AccessLog(lines.append).exchange_ended(one, "shop/web:80", 503, "", 0.1)

    assert lines[0]["not_retried"] == "over-budget"


def test_a_line_has_the_status_of_a_grpc_call():
    lines, one = [], exchange(b"POST")
    one.call = Call(inf)
    one.call.status = 5

    AccessLog(lines.append).exchange_ended(one, "shop/web:80", 200, "", 0.1)

    assert (lines[0]["status"], lines[0]["grpc_status"]) == (200, 5)


def test_an_exchange_is_one_line_whatever_its_attempts():
    lines, one = [], exchange(b"PUT")
    log = one.observer = AccessLog(lines.append)
    one.caller = Known("shop", ("shop", "cart"))

    for outcome in ("connect-failed", 200):
        Attempt(one, Endpoint(), STARTED).end(outcome)
    log.exchange_ended(one, "shop/web:80", 502, "connection-lost", 0.12345678)

    assert lines == [
        {
            "client": "10.0.0.9",
            "source": "shop/cart",
            "method": "PUT",
            "host": "web.shop.mesh",
            "target": "/",
            "version": "1.1",
            "service": "shop/web:80",
            "endpoint": "10.0.0.1:80",
            "status": 502,
            "reason": "connection-lost",
            "tries": 2,
            "seconds": 0.123457,
            "bytes": 0,
        }
    ]


def test_a_line_has_the_rule_the_trace_and_the_bytes_of_both_bodies():
    lines, one = [], exchange(b"POST", WholeBody(b"12345"))
    one.rule, one.sent_bytes = "canary", 7
    one.added = b"Via: 1.1 mesh\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

    AccessLog(lines.append).exchange_ended(one, "shop/web:80", 200, "", 0.1)

    had = {name: lines[0][name] for name in ("rule", "trace_id", "bytes", "request_bytes")}
    assert had == {
        "rule": "canary", "trace_id": "0af7651916cd43dd8448eb211c80319c", "bytes": 7, "request_bytes": 5
    }  # fmt: skip


def test_the_trace_of_a_client_is_in_the_line():
    lines, one = [], exchange()
    one.request.fields.add(b"Traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

    AccessLog(lines.append).exchange_ended(one, "shop/web:80", 200, "", 0.1)

    assert lines[0]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_bytes_that_are_no_ascii_do_not_break_the_line():
    lines, one = [], exchange(b"GET")
    one.request.authority = b"w\xff\x1b[2Jb"  # the path and the method are visible ASCII, see `Request`

    AccessLog(lines.append).exchange_ended(one, "", 404, "unknown-service", 0.1)

    assert lines[0]["host"] == "w\xff\x1b[2Jb"


def test_a_connection_is_one_line_at_its_end():
    lines, one = [], exchange()
    one.caller = Known("shop", ("shop", "cart"))
    Attempt(one, Endpoint(), STARTED).end(200)

    AccessLog(lines.append).connection_ended(one, "shop/db:5432", Ended("tcp", "endpoint-left", 10, 20, 3.12345678))

    assert lines == [
        {
            "protocol": "tcp",
            "client": one.client,
            "source": "shop/cart",
            "service": "shop/db:5432",
            "endpoint": one.endpoint_name,
            "to_endpoint": 10,
            "to_client": 20,
            "reason": "endpoint-left",
            "tries": 1,
            "seconds": 3.123457,
        }
    ]


def test_the_line_of_a_udp_session_has_its_datagrams_too():
    lines = []

    AccessLog(lines.append).connection_ended(
        exchange(), "shop/dns:53/udp", Ended("udp", "idle", 60, 120, 1.0, datagrams=(2, 3))
    )

    had = {name: value for name, value in lines[0].items() if name.startswith(("protocol", "to_", "datagrams"))}
    assert had == {
        "protocol": "udp",
        "to_endpoint": 60,
        "to_client": 120,
        "datagrams_to_endpoint": 2,
        "datagrams_to_client": 3,
    }


def test_the_line_of_a_connection_says_what_a_policy_in_shadow_mode_would_have_done():
    lines, one = [], exchange()
    one.shadowed = ("timeouts:tcp-idle",)

    AccessLog(lines.append).connection_ended(one, "shop/db:5432", Ended("tls", "", 0, 0, 1.0))

    assert (lines[0]["protocol"], lines[0]["shadow"]) == ("tls", "timeouts:tcp-idle")


def test_a_line_names_the_rule_that_decided():
    lines, one, other = [], exchange(), exchange()
    one.rule = "api"
    log = AccessLog(lines.append)

    log.exchange_ended(one, "shop/web:80", 200, "", 0.1)
    log.exchange_ended(other, "shop/web:80", 200, "", 0.1)

    assert lines[0]["rule"] == "api" and "rule" not in lines[1]
