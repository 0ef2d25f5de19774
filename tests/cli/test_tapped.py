"""What `tap` prints for each line of the control process."""

import json

import msgspec
import pytest

from nodeproxy.cli.tapped import TapShown, printable, request_texts
from nodeproxy.mesh.tap_view import TapBegan, TapEnded, TapMissed, TappedAttempt, TappedDecision, TappedRequest

FAILED = TappedAttempt("10.0.0.1:80", 0.0002, None, 0.0011, 0, "connect-failed", False)
HEDGE = TappedAttempt("10.0.0.2:80", 0.025, 0.03, 0.04, 503, 503, True)
RETRIED = TappedDecision(0.0012, "retries", "retried-connect-failure", "enforce")
SHADOWED = TappedDecision(0.0001, "rateLimit", "rejected", "shadow")


def request(**changes):
    plain = TappedRequest(
        1.7e9, 0.0405, "GET", "web.shop.mesh", "/basket", "1.1", "10.1.0.1", "shop/cart", "shop/web:80", 503, "", None,
        "", "", (), (), 0, "",
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def texts(shown, *lines):
    return [text for each in lines for text in shown.texts(msgspec.json.encode(each) + b"\n")]


def test_a_request_is_a_line_and_what_happened_to_it_follows_in_the_order_of_time():
    first, *happened = request_texts(request(attempts=(FAILED, HEDGE), decisions=(RETRIED, SHADOWED), rule="api"))

    assert first.partition(" ")[2] == ("GET /basket from shop/cart (10.1.0.1) to shop/web:80, rule api: 503 in 40.5 ms")
    assert [" ".join(text.split()) for text in happened] == [
        "0.1 ms rateLimit: rejected (shadow: without effect)",
        "0.2 ms attempt at 10.0.0.1:80: connect-failed, no byte came, ended after 1.1 ms",
        "1.2 ms retries: retried-connect-failure",
        "25.0 ms hedge at 10.0.0.2:80: 503, first byte after 30.0 ms, ended after 40.0 ms",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": "no-endpoints"}, "503 (no-endpoints) in"),
        ({"status": 0, "reason": "client-gone"}, "no response (client-gone) in"),
        ({"grpc_status": 14}, "503 grpc-status 14 in"),
        ({"source": "/unknown"}, "from unknown (10.1.0.1)"),
        ({"not_retried": "a POST may have been received"}, "not sent again: a POST may have been received"),
        ({"left_out": 3}, "3 more attempts or decisions are not shown"),
        ({"trace_id": "4bf9"}, "trace 4bf9"),
    ],
)
def test_what_is_unusual_about_a_request_is_said(changes, words):
    assert words in "\n".join(request_texts(request(**changes)))


def test_a_tap_is_over_after_so_many_requests():
    shown = TapShown(count=2)

    texts(shown, TapBegan("shop/web", 2, 600.0), request())
    over_after_one = shown.over
    texts(shown, TapMissed(3), request())

    assert not over_after_one and shown.over


def test_beginning_left_out_requests_and_end_are_told():
    shown = TapShown()

    told = texts(shown, TapBegan("shop/web", 1, 600.0), TapMissed(9), TapEnded("a tap ends after 10m", 9))

    assert told == [
        "tapping shop/web in 1 worker; ends after 10m",
        "-- 9 requests left out so far: more than 100 a second of a worker, or this terminal is slow",
        "-- a tap ends after 10m; 9 requests were left out",
    ]
    assert shown.over


def test_as_json_each_line_is_what_came():
    shown = TapShown(as_json=True, count=1)

    (line,) = texts(shown, request())

    assert json.loads(line)["path"] == "/basket" and "\n" not in line and shown.over


def test_nothing_that_a_client_sends_moves_the_cursor():
    assert printable("a\x1b[2Jb\r\nü") == r"a\x1b[2Jb\r\nü"
