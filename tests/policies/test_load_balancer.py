"""`loadBalancer` over real sockets: what the policy says is what the endpoints see."""

from collections import Counter

import pytest

from nodeproxy.balance.hash_tables import SlotTable, hash_of
from nodeproxy.balance.latency import LatencyMeter
from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from nodeproxy.policies.load_balancer import POLICY, LoadBalancerSettings
from nodeproxy.policies.outlier_detection import OutlierDetectionSettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.wiring.balancing import PLAIN, plan_of
from tests.fakes.balanced import Balanced
from tests.fakes.exchanges import exchange

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


def balancing(**written):
    return {"loadBalancer": written}


async def test_requests_with_the_same_header_go_to_the_endpoint_that_every_worker_computes(world):
    service = Balanced(world, 5, balancing(consistentHash={"httpHeaderName": "X-User"}))
    table = SlotTable(service.members(), 65537)

    for user in (b"ada", b"eve", b"bob"):
        served = {(await service.get(b"X-User: " + user)).server for _ in range(4)}

        assert served == {service.number_of(table.pick(hash_of(user)).name)}


@pytest.mark.parametrize(
    ("hashed", "one", "other"),
    [
        ({"httpQueryParameterName": "user"}, {"target": b"/?user=ada"}, {"target": b"/x?a=1&user=ada"}),
        ({"useSourceIp": True}, {"target": b"/a"}, {"target": b"/b"}),
        ({"httpCookie": {"name": "user"}}, {"line": b"Cookie: user=ada"}, {"line": b"Cookie: a=1; user=ada"}),
        ({"httpHeaderName": "x-user", "algorithm": "ring"}, {"line": b"X-User: ada"}, {"line": b"x-user: ada"}),
    ],
)
async def test_the_key_may_be_any_one_part_of_the_request(world, hashed, one, other):
    service = Balanced(world, 5, balancing(consistentHash=hashed))

    served = {(await service.get(**each)).server for each in (one, other) * 4}

    assert len(served) == 1


async def test_a_request_without_the_cookie_gets_one_that_leads_back_to_its_endpoint(world):
    cookie = {"name": "session", "path": "/shop", "ttl": "1h"}
    service = Balanced(world, 5, balancing(consistentHash={"httpCookie": cookie}))
    servers = Counter()
    for _ in range(12):
        world.advance(0.001)
        first = await service.get()
        (line,) = [line for line in first.head.split(b"\r\n") if line.startswith(b"Set-Cookie: ")]
        value, path, age, script = line.removeprefix(b"Set-Cookie: ").split(b"; ")
        assert (path, age, script) == (b"Path=/shop", b"Max-Age=3600", b"HttpOnly")

        again = await service.get(b"Cookie: " + value)

        assert again.server == first.server and b"Set-Cookie" not in again.head
        servers[first.server] += 1
    assert len(servers) > 1


async def test_a_session_cookie_has_no_age_and_without_a_ttl_none_is_set(world):
    service = Balanced(world, 2, balancing(consistentHash={"httpCookie": {"name": "session", "ttl": "0s"}}))
    session = (await service.get()).head
    assert b"; Path=/; HttpOnly\r\n" in session and b"Max-Age" not in session

    service.install(balancing(consistentHash={"httpCookie": {"name": "session"}}))

    assert b"Set-Cookie" not in (await service.get()).head


async def test_an_endpoint_that_answers_429_sheds_its_load_and_gets_it_back(world):
    service = Balanced(world, 4, balancing(shedding={}))
    service.answers[0] = BUSY
    refused = Counter()
    for tenth in range(20):
        world.advance(0.1)
        for _ in range(10):
            refused[tenth >= 10] += (await service.get()).server == 0
    assert refused[True] <= 3  # of 100, in the second second
    assert service.figures(POLICY) == {"shedding": 1.0}

    service.answers[0] = OK
    world.advance(20)
    served = Counter([(await service.get()).server for _ in range(200)])

    assert served[0] > 30
    world.advance(20)
    assert service.figures(POLICY) == {"shedding": 0.0}


async def test_retry_after_is_honoured_under_peak_ewma_too(world):
    service = Balanced(world, 2, balancing(simple="PEAK_EWMA", shedding={"maxRetryAfter": "1m"}))
    service.answers[0] = b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
    while (await service.get()).server != 0:
        world.advance(0.1)
    world.advance(1)

    served = Counter([(await service.get()).server for _ in range(50)])

    assert served[0] <= 2
    assert service.decisions() == {("loadBalancer", "shed", "enforce"): 1 + served[0]}


async def test_in_shadow_mode_refusals_are_counted_and_the_service_is_balanced_as_by_default(world):
    written = balancing(mode="shadow", consistentHash={"useSourceIp": True}, shedding={}, panicThreshold=100)
    service = Balanced(world, 2, written)
    service.answers[0] = BUSY

    served = Counter([(await service.get()).server for _ in range(60)])

    assert served[0] > 15
    assert service.decisions() == {("loadBalancer", "shed", "shadow"): served[0]}


async def test_a_new_endpoint_starts_with_a_tenth(world):
    service = Balanced(world, 2, balancing(simple="RANDOM", warmup={"duration": "100s"}))
    world.advance(200)
    service.add()

    cold = Counter([(await service.get()).server for _ in range(210)])[2]
    world.advance(100)
    warm = Counter([(await service.get()).server for _ in range(210)])[2]

    assert cold <= 25 and warm >= 45


async def test_what_was_measured_survives_an_update_of_the_endpoints_and_of_the_policy(world):
    service = Balanced(world, 2, balancing(simple="PEAK_EWMA"))
    for _ in range(6):
        await service.get()
    before = service.standings()

    service.add()
    service.install(balancing(simple="PEAK_EWMA", panicThreshold=10))

    after = service.standings()
    assert len(after) == 3 and all(after[name].latency_s == each.latency_s for name, each in before.items())
    assert [each.latency_s for each in before.values()].count(None) == 0


async def test_under_panic_health_is_ignored(world):
    service = Balanced(world, 3, balancing(simple="RANDOM", panicThreshold=50))
    endpoints = world.clusters.get("shop/web:80").endpoints
    for endpoint in endpoints[:2]:
        endpoint.health.probes_down = True

    assert len({(await service.get()).server for _ in range(30)}) == 3
    endpoints[0].health.probes_down = False
    world.clusters.get("shop/web:80").review()

    assert len({(await service.get()).server for _ in range(30)}) == 2


async def test_the_balancer_of_a_pod_has_that_pod(world):
    server = world.endpoint()
    endpoints = (Endpoint("127.0.0.1", server.port, hostname="web-0"), Endpoint("127.0.0.1", 9, hostname="web-1"))
    service = Service("shop", "web", "", (Port(80, "http", "http", endpoints),), balancing(simple="ROUND_ROBIN"))
    world.install(Replace((service,)))
    cluster = world.clusters.get("shop/web:80")

    assert {cluster.of_pod("web-0").next(world.clock.now, exchange()) for _ in range(4)} == {cluster.endpoints[0]}


def test_a_plain_service_has_the_plain_plan():
    settings = settings_of({})

    assert plan_of(settings, {}, lambda: 0.0) is PLAIN
    assert PLAIN.judges == () and PLAIN.panic_percent == 0


@pytest.mark.parametrize(
    ("hedging", "written", "measured"),
    [
        ({"delay": "50ms"}, {}, True),
        ({"delay": "50ms"}, {"warmup": {"duration": "10s"}}, True),
        ({"delay": "50ms"}, {"simple": "LEAST_REQUEST"}, False),
        ({"delay": "50ms"}, {"useSourceIp": True}, False),
        ({"delay": "50ms", "mode": "shadow"}, {}, False),
    ],
)
def test_beside_hedges_latencies_count_unless_another_algorithm_is_written(hedging, written, measured):
    balancer = {"consistentHash": written} if "useSourceIp" in written else written
    settings = settings_of({"hedging": hedging, "loadBalancer": balancer})

    plan = plan_of(settings, {}, lambda: 0.0)

    assert [type(judge) for judge in plan.judges] == [LatencyMeter] * measured


def test_the_larger_of_panic_threshold_and_minimum_health_counts():
    settings = {
        "loadBalancer": LoadBalancerSettings.model_validate({"panicThreshold": 20}),
        "outlierDetection": OutlierDetectionSettings.model_validate({"minHealthPercent": 30}),
    }

    assert plan_of(settings, {}, lambda: 0.0).panic_percent == 30


@pytest.mark.parametrize(
    ("hashed", "problem"),
    [
        ({}, "exactly one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName is needed"),
        ({"useSourceIp": True, "httpHeaderName": "x-user"}, "exactly one of"),
        ({"httpHeaderName": "x user"}, r"\.httpHeaderName: expected a name as HTTP has it, .*, got 'x user'$"),
        ({"httpCookie": {"name": "a=b"}}, r"\.httpCookie\.name: expected a name as HTTP has it, .*, got 'a=b'$"),
        (
            {"httpCookie": {"name": "a", "path": "/;x"}},
            r"\.httpCookie\.path: expected a path that begins with / .* no semicolon, got '/;x'$",
        ),
        ({"useSourceIp": True, "algorithm": "modulo"}, r"\.algorithm: expected one of maglev, ring, got 'modulo'$"),
        ({"useSourceIp": True, "balanceFactor": 99}, r"\.balanceFactor: expected at least 100, got 99$"),
    ],
)
def test_what_cannot_be_hashed_is_refused(hashed, problem):
    with pytest.raises(PolicyRefused, match=problem):
        settings_of(balancing(consistentHash=hashed))
