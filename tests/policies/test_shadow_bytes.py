"""`mode: shadow` on real sockets: clients and endpoints see the same bytes as without the policy."""

import re

import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from tests.fakes.world import World

HOST = b" / HTTP/1.1\r\nHost: web.shop.mesh\r\n"
BIG = b"X-Big: " + b"b" * 300 + b"\r\n"
TURNS = {
    "plain": (b"GET" + HOST + b"\r\n", b"HTTP/1.1 200 OK\r\n" + BIG + b"Content-Length: 2\r\n\r\nok"),
    "a failure": (b"GET" + HOST + b"\r\n", b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"),
    "without a body": (b"HEAD" + HOST + b"\r\n", b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n"),
    "after 103": (b"GET" + HOST + b"\r\n", b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
    "an upload": (
        b"PUT" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",
        b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n",
    ),
    "a body": (b"PUT" + HOST + b"Content-Length: 3\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "a switch": (
        b"GET" + HOST + b"Connection: upgrade\r\nUpgrade: chat\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\nhello",
    ),
    "broken off": (b"GET" + HOST + b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
    "no answer": (b"POST" + HOST + b"Content-Length: 0\r\n\r\n", b""),
}
CLOSED = ("a switch", "broken off", "no answer")  # turns after which the endpoint closes
DATE = re.compile(rb"Date: [^\r]*\r\n")
STRICT = {
    "adaptiveConcurrency": {"minConcurrency": 1, "maxConcurrency": 1},
    "circuitBreaker": {"minimumRequests": 1, "failureRatio": 0.01, "openDuration": "100s"},
    "connectionPool": {"maxConnections": 1, "maxRequests": 1, "maxRequestsPerConnection": 1, "idleTimeout": "1s"},
    "cors": {"allowOrigins": ["*"]},
    "fallback": {"on": ["5xx", "reset", "circuit-open"], "response": {"body": "instead"}},
    "fault": {"abort": {"httpStatus": 500, "percentage": 100}},
    "maxRequestBody": {"limit": 0},
    "maxResponseHeaders": {"limit": 256},
    "mirrors": {"targets": [{"service": "other"}]},
    "rateLimit": {"requestsPerSecond": 0.001},
    "split": {"targets": [{"service": "other", "weight": 1}]},
}


def seen(policies):
    """What the endpoint and the client receive in each turn, and which connections are new; the policies' decisions."""
    with World() as world:
        endpoint, turns = world.endpoint(), []

        async def scenario():
            ports = (Port(80, "http", "http", (Endpoint("127.0.0.1", endpoint.port),)),)
            world.live.install(Replace((Service("shop", "web", "", ports, policies),)))
            server = None
            for name, (asked, answered) in TURNS.items():
                client = await world.client()
                await client.send(asked)
                await world.settle()
                new = endpoint.waiting()
                server = new or server
                received = await server.channel.recv()
                if answered:
                    await server.send(answered)
                await world.settle()
                if name in CLOSED:
                    server.close()
                    await world.settle()
                client.channel.half_close()
                turns.append((name, new is not None, received, DATE.sub(b"", await client.rest())))
                world.advance(2)

        world.run(scenario())
        return turns, dict(next(iter(world.live.table)).stats.decisions)


@pytest.mark.parametrize("policy", sorted(STRICT))
def test_nobody_sees_a_policy_in_shadow_mode(policy):
    without, _ = seen({"retries": {"attempts": 0}})

    rehearsed, decisions = seen({"retries": {"attempts": 0}, policy: {**STRICT[policy], "mode": "shadow"}})

    assert rehearsed == without
    assert decisions or policy in ("adaptiveConcurrency", "connectionPool", "cors")


def test_together_they_are_not_seen_either():
    policies = {policy: {**written, "mode": "shadow"} for policy, written in STRICT.items()}

    assert seen({"retries": {"attempts": 0}, **policies})[0] == seen({"retries": {"attempts": 0}})[0]
