"""A service with policies, endpoints that fail and clients that ask, all by chance: where each request came to."""

from random import Random

from tests.fakes.balanced import OK, Balanced

STEPS = 40
BAD = b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n"
ANSWERS = (
    OK, OK, OK, BAD, None,
    b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Long: " + b"y" * 400 + b"\r\n\r\nok",
    b"HTTP/0.9 what\r\n\r\n",
)  # fmt: skip
TARGETS = (
    b"/",
    b"/api",
    b"/api/v2/x?a=1",
    b"/api/v22",
    b"/Old",
    b"/old",
    b"/a/../old",
    b"/x;y=1/z",
    b"/%2e%2e/api",
    b"*",
)
LINES = (
    b"", b"", b"x-beta: 1", b"x-chaos: on", b"Cookie: user=a; session=b", b"Origin: https://a.shop.example",
    b"x-beta: 1\r\nx-beta: 2", b"Content-Length: 0",
)  # fmt: skip
RULES = (
    {"name": "v2", "match": {"path": {"prefix": "/api/v2"}}, "rewrite": {"path": {"prefix": "/api"}}},
    {"name": "old", "match": {"path": {"exact": "/old"}}, "redirect": {"path": {"full": "/new"}, "status": 301}},
    {
        "name": "beta",
        "match": {"headers": [{"name": "x-beta", "exact": "1"}]},
        "policies": {"retries": {"attempts": 0}},
    },
    {"name": "api", "match": {"path": {"regex": "/ap[a-z](/.*)?"}, "method": "GET"}, "policies": {"timeouts": {}}},
    {"name": "gone", "match": {"path": {"prefix": "/x"}}, "directResponse": {"status": 410, "body": "gone"}},
    {"name": "any", "match": {"queryParams": [{"name": "a", "exact": "1"}]}},
)


def policies(chance):
    """A policy table of the policies whose choices depend on chance, on the clock, or on what happened before."""
    table = {
        "loadBalancer": {
            "simple": chance.choice(["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PEAK_EWMA"]),
            **chance.choice([{}, {"panicThreshold": 60}, {"warmup": {"duration": "10s"}}, {"shedding": {}}]),
        },
        "outlierDetection": {
            "consecutive5xxErrors": chance.randint(1, 3),
            "baseEjectionTime": f"{chance.randint(1, 5)}s",
            "maxEjectionPercent": chance.choice([10, 50, 100]),
        },
        "circuitBreaker": {
            "minimumRequests": chance.randint(2, 6), "openDuration": "2s", "mode": chance.choice(["enforce", "shadow"]),
        },
        "retries": {
            "attempts": chance.randint(0, 3),
            "retryOn": chance.choice([["5xx", "reset"], ["connect-failure", "gateway-error"]]),
            "backoff": {"base": "25ms", "max": "250ms"},
        },
        "retryBudget": {"percent": chance.choice([10, 50]), "minRetryConcurrency": chance.choice([0, 1])},
        "rateLimit": {"total": {"requestsPerSecond": 2, "burst": chance.randint(1, 20)}, "headers": True},
        "fault": {
            "delay": {"fixedDelay": "0.3s", "percentage": chance.choice([0.1, 30])},
            "abort": {"httpStatus": 418, "percentage": chance.choice([0, 30])},
        },
        "fallback": {"on": ["5xx", "circuit-open", "reset"], "response": {"status": 200, "body": "instead"}},
        "maxResponseHeaders": {"limit": 256},
        "adaptiveConcurrency": {"minConcurrency": 1, "maxConcurrency": 5},
        "cors": {"allowOrigins": [{"regex": "https://[a-z]+[.]shop[.]example"}], "maxAge": "10m"},
        "routes": {"rules": chance.sample(RULES, chance.randint(1, len(RULES)))},
    }  # fmt: skip
    return {name: table[name] for name in table if chance.random() < 0.5}


async def scenario(world, data, seen):
    """Play what `data` decides; a line in `seen` for each request."""
    chance = Random(data)
    service = Balanced(world, chance.randint(1, 4), policies(chance))
    for _ in range(STEPS):
        happens = chance.random()
        if happens < 0.2:
            service.answers[chance.randrange(len(service.answers))] = chance.choice(ANSWERS)
        elif happens < 0.25:
            service.install(policies(chance))
        elif happens < 0.3 and len(service.servers) < 6:
            service.add()
        elif happens < 0.5:
            world.advance(chance.choice([0.01, 0.5, 3.0, 20.0]))
            await world.settle(4)
            service.leave()
        served = await service.get(chance.choice(LINES), chance.choice(TARGETS))
        seen.append((list(service.asked), served.head))
    ports = {f"127.0.0.1:{server.port}": f"e{number}" for number, server in enumerate(service.servers)}
    seen.append([(ports[name], outcome) for name, outcome in world.attempts])
    seen.append(sorted(service.decisions().items()))
    seen.append([each.health.ejected_until for each in service.members()])
