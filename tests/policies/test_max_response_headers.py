"""`maxResponseHeaders`: a response with larger fields is a failure of its endpoint."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from nodeproxy.errors import ResponseHeadersTooLarge
from nodeproxy.policies.max_response_headers import POLICY, MaxResponseHeadersSettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.protocol.fields import Fields
from tests.fakes.exchanges import PolicyWorld, Replies, exchange, run

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
LIMIT = {"maxResponseHeaders": {"limit": 256}}


class Large(Replies):
    """Its responses have so many bytes of fields."""

    def __init__(self, size):
        super().__init__(200)
        self._size = size

    async def __call__(self, exchange):
        response = await super().__call__(exchange)
        response.fields = Fields(b"A: %b\r\n" % (b"x" * (self._size - 5)))
        return response


def bounded(endpoint, tools):
    return POLICY.wrap(MaxResponseHeadersSettings(limit=256), endpoint, tools)


@given(size=integers(5, 2000))
def test_no_response_with_more_fields_than_the_limit_goes_on(size):
    try:
        response = run(bounded(Large(size), PolicyWorld().tools)(exchange()))
    except ResponseHeadersTooLarge:
        assert size > 256
    else:
        assert len(response.fields.block()) == size <= 256


def test_fields_of_the_limit_pass():
    assert run(bounded(Large(256), PolicyWorld().tools)(exchange())).status == 200


def test_larger_fields_are_an_error_and_the_response_is_given_up():
    endpoint = Large(257)

    with pytest.raises(ResponseHeadersTooLarge, match=r"a response with 257 bytes of header fields; .* allows 256$"):
        run(bounded(endpoint, PolicyWorld().tools)(exchange()))

    (response,) = endpoint.responses
    assert response.body.abandoned and response.attempt is None


def test_in_shadow_mode_the_response_passes_and_is_counted():
    world, one = PolicyWorld(), exchange()

    assert run(bounded(Large(257), world.shadow("maxResponseHeaders"))(one)).status == 200
    assert world.stats.decisions == {("maxResponseHeaders", "rejected", "shadow"): 1}
    assert one.shadowed == ("maxResponseHeaders:rejected",)


@pytest.mark.parametrize(
    ("limit", "told"), [(255, "expected at least 256, got 255"), ("65Ki", "expected at most 64Ki, got '65Ki'")]
)
def test_a_limit_that_no_response_could_keep_or_reach_is_refused(limit, told):
    with pytest.raises(PolicyRefused, match=rf"^maxResponseHeaders\.limit: {told}$"):
        settings_of({"maxResponseHeaders": {"limit": limit}})


async def test_a_client_is_told_what_is_too_large_and_the_attempt_has_failed(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies=LIMIT)
    client = await world.client()
    await client.send(GET)
    peer = await endpoint.accept()
    await peer.head()

    await peer.send(b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 2\r\n\r\nok" % (b"x" * 300))

    head = await client.head()
    assert head.startswith(b"HTTP/1.1 502 ") and b"x-mesh-error: response-headers-too-large\r\n" in head
    assert world.attempts[-1][1] == "response-headers-too-large"
    assert world.route.stats.decisions == {("maxResponseHeaders", "rejected", "enforce"): 1}


async def test_the_proxys_own_limit_has_the_same_reason(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await world.client()
    await client.send(GET)
    peer = await endpoint.accept()
    await peer.head()

    await peer.send(b"HTTP/1.1 200 OK\r\nA: %b\r\n\r\n" % (b"x" * 65536))

    assert b"x-mesh-error: response-headers-too-large\r\n" in await client.head()
