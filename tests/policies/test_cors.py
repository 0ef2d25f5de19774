"""`cors`: preflights are answered by the mesh, and responses say whose pages may read them."""

import pytest

from nodeproxy.errors import ConnectFailed
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange
from nodeproxy.policies.cors import POLICY
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from tests.fakes.exchanges import PolicyWorld, exchange, run
from tests.fakes.mirrored import OK

SHOP = "https://shop.example"
ALL = {
    "allowOrigins": [SHOP, {"prefix": "http://localhost:"}, {"regex": r"https://[a-z]+\.shop\.example"}],
    "allowMethods": ["PUT", "DELETE"],
    "allowHeaders": ["content-type"],
    "exposeHeaders": ["etag"],
    "maxAge": "10m",
    "allowCredentials": True,
}
PREFLIGHT = b"Access-Control-Request-Method: PUT\r\n"


class Page:
    """Calls a service with these settings, whose endpoint answers with these field lines."""

    def __init__(self, written, lines=b"", error=None):
        self.world, self.calls = PolicyWorld(), 0
        self._lines, self._error = lines, error
        settings = settings_of({"cors": written})["cors"]
        decisions = Decisions(self.world.stats.decisions, "cors", settings.mode)
        self._handler = POLICY.wrap(settings, self._endpoint, self.world.tools_of(decisions))

    async def _endpoint(self, _exchange: Exchange):
        self.calls += 1
        if self._error is not None:
            raise self._error
        return Response(200, Fields(self._lines), 0)

    def call(self, origin, method=b"GET", lines=b""):
        one = exchange(method)
        one.request.fields = Fields((b"Origin: %b\r\n" % origin if origin else b"") + lines)
        return run(self._handler(one))

    def outcomes(self):
        return {outcome: count for (_, outcome, _), count in self.world.stats.decisions.items()}


def fields(response):
    return sorted(response.fields.pairs())


def test_a_preflight_is_answered_with_what_is_allowed_and_no_endpoint_is_asked():
    page = Page(ALL)

    response = page.call(b"https://shop.example", b"OPTIONS", PREFLIGHT)

    assert response.status == 204 and page.calls == 0
    assert fields(response) == [
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-headers", b"content-type"),
        (b"access-control-allow-methods", b"PUT, DELETE"),
        (b"access-control-allow-origin", b"https://shop.example"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin"),
    ]
    assert page.outcomes() == {"preflight": 1}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"https://shop.example", True),
        (b"http://localhost:3000", True),
        (b"https://eu.shop.example", True),
        (b"http://shop.example", False),
        (b"https://shop.example:8443", False),
        (b"https://shop.example.attacker.example", False),
        (b"https://eu.shop.example.attacker.example", False),
        (b"https://attacker.example/https://eu.shop.example", False),
        (b"https://eu.shopxexample", False),
        (b"http://localhost.attacker.example", False),
        (b"https://shop.example, https://attacker.example", False),
        (b"null", False),
    ],
)
def test_only_origins_that_are_allowed_may_read_responses(origin, allowed):
    page = Page(ALL)

    preflight, actual = page.call(origin, b"OPTIONS", PREFLIGHT), page.call(origin)

    assert preflight.status == (204 if allowed else 403)
    for response in (preflight, actual):
        assert response.fields.get(b"access-control-allow-origin") == (origin if allowed else None)
        assert response.fields.get(b"vary") == b"Origin"
    assert page.calls == 1


def test_the_fields_of_the_endpoint_are_replaced():
    page = Page(
        ALL, b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: PATCH\r\nVary: Accept\r\nA: 1\r\n"
    )

    allowed, refused, other = (page.call(each) for each in (b"https://shop.example", b"https://x.example", b""))

    assert fields(allowed) == [
        (b"a", b"1"),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-origin", b"https://shop.example"),
        (b"access-control-expose-headers", b"etag"),
        (b"vary", b"Accept"),
        (b"vary", b"Origin"),
    ]
    assert fields(refused) == fields(other) == [(b"a", b"1"), (b"vary", b"Accept"), (b"vary", b"Origin")]
    assert page.outcomes() == {"allowed": 1, "refused": 1}


@pytest.mark.parametrize("vary", [b"*", b"accept,  ORIGIN", b"Origin"])
def test_a_response_that_varies_already_says_it_once(vary):
    assert Page(ALL, b"Vary: %b\r\n" % vary).call(b"https://shop.example").fields.values(b"vary") == [vary]


@pytest.mark.parametrize("origin", [b"https://x.example", b"null", b""])
def test_what_is_for_all_origins_is_the_same_for_all_and_varies_with_none(origin):
    response = Page({"allowOrigins": ["*"]}).call(origin)

    assert fields(response) == [(b"access-control-allow-origin", b"*")]


@pytest.mark.parametrize(
    ("origin", "method", "lines"),
    [
        (b"", b"OPTIONS", PREFLIGHT),
        (b"https://shop.example", b"OPTIONS", b""),
        (b"https://shop.example", b"PUT", PREFLIGHT),
    ],
)
def test_what_is_no_preflight_reaches_the_endpoint(origin, method, lines):
    page = Page(ALL)

    page.call(origin, method, lines)

    assert page.calls == 1


def test_a_page_can_read_an_error_of_the_mesh():
    error = ConnectFailed("no connection")

    with pytest.raises(ConnectFailed):
        Page(ALL, error=error).call(b"https://shop.example")

    response = error_response(error)
    assert response.fields.get(b"access-control-allow-origin") == b"https://shop.example"
    assert response.fields.get(b"x-mesh-error") == b"connect-failed"


def test_in_shadow_mode_nothing_changes_and_decisions_are_counted():
    page = Page({**ALL, "mode": "shadow"}, b"Access-Control-Allow-Origin: *\r\n")

    preflight, actual = page.call(b"https://x.example", b"OPTIONS", PREFLIGHT), page.call(b"https://shop.example")

    assert fields(preflight) == fields(actual) == [(b"access-control-allow-origin", b"*")]
    assert page.outcomes() == {"preflight-refused": 1, "allowed": 1}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"allowOrigins": []}, r"^cors\.allowOrigins: the list should have at least 1 item, not 0, got \[\]$"),
        (
            {"allowOrigins": ["*"], "allowCredentials": True},
            r"allowCredentials with the origin \* would let every site",
        ),
        (
            {"allowOrigins": [SHOP], "allowHeaders": ["*"], "allowCredentials": True},
            r"take the \* of allowHeaders for a",
        ),
        (
            {"allowOrigins": [SHOP, SHOP + "/"]},
            r"^cors\.allowOrigins\[1\]: not an origin; write scheme://host .*, got 'https://shop\.example/'$",
        ),
        (
            {"allowOrigins": [{"exact": "shop"}]},
            r"^cors\.allowOrigins\[0\]\.exact: not an origin; write scheme://host .*, got 'shop'$",
        ),
        ({"allowOrigins": ["https://Shop.example"]}, r"^cors\.allowOrigins\[0\]: not an origin.* got 'https://Shop"),
        ({"allowOrigins": [SHOP + ":443"]}, "browsers leave out the port 443 of https; write https://shop.example,"),
        ({"allowOrigins": ["null"]}, "any page can have the origin null"),
        (
            {"allowOrigins": [{"prefix": SHOP}]},
            "also how origins of other hosts begin, such as https://shop.example.att",
        ),
        ({"allowOrigins": [{"regex": "("}]}, r"^cors\.allowOrigins\[0\]\.regex: '\(' is not a pattern of RE2"),
        ({"allowOrigins": [{"exact": SHOP, "regex": "a"}]}, "exactly one of exact, prefix and regex"),
        (
            {"allowOrigins": [SHOP], "allowHeaders": ["a b"]},
            r"^cors\.allowHeaders\[0\]: expected a name as HTTP has it, .*, or \*, got 'a b'$",
        ),
    ],
)
def test_what_browsers_do_not_take_or_is_not_safe_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"cors": written})


async def test_a_browser_is_answered_over_sockets_whatever_becomes_of_its_request(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"cors": ALL, "retries": {"attempts": 0}})
    client = await world.client()
    asked = b"%b / HTTP/1.1\r\nHost: web.shop.mesh\r\nOrigin: https://shop.example\r\n%b\r\n"

    await client.send(asked % (b"OPTIONS", PREFLIGHT))
    preflight = await client.head()
    await client.send(asked % (b"GET", b""))
    peer = await endpoint.accept()
    await peer.head()
    await peer.send(OK)
    answer = await client.until(b"ok")
    await client.send(asked % (b"POST", b"Content-Length: 0\r\n"))
    await peer.head()
    peer.close()
    lost = await client.head()

    assert preflight.startswith(b"HTTP/1.1 204 ") and b"content-length" not in preflight.lower()
    assert answer.startswith(b"HTTP/1.1 200 ") and lost.startswith(b"HTTP/1.1 502 ")
    for head in (preflight, answer, lost):
        assert head.count(b"access-control-allow-origin: https://shop.example\r\n") == 1
        assert head.count(b"vary: Origin\r\n") == 1
    assert world.log[0][2:4] == (204, "")
