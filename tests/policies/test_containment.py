"""What retries, their budget and hedging do to a whole service: real sockets, in a time that the test moves."""

import pytest

from tests.fakes.traffic import Traffic, healthy

pytestmark = pytest.mark.no_cover  # thousands of rounds of the same lines, which tracing makes twice as long

RETRIES = {"attempts": 3, "retryOn": ["5xx", "reset"]}
NO_BUDGET = {"percent": 100, "minRetryConcurrency": 1_000_000}


def failing(status, share=1.0):
    """An endpoint's answers: this share of them fails."""
    return lambda rnd, _endpoint, _number: (healthy(rnd), status if rnd.random() < share else 200)


def one_slow(rnd, endpoint, _number):
    """Five endpoints of which one takes 0.3 s more."""
    return healthy(rnd) + (0.3 if endpoint == 0 else 0.0), 200


async def sent(world, serve, clients=20, requests=800, **policies):
    traffic = Traffic(world, policies, serve, clients=clients, requests=requests)
    await traffic.run()
    return traffic


@pytest.mark.parametrize("status", [503, 0])
@pytest.mark.parametrize("interval", ["10s", 0])
async def test_when_everything_fails_endpoints_have_at_most_a_fifth_more_to_do(world, status, interval):
    budget = {"budgetInterval": interval, "minRetryConcurrency": 0}

    traffic = await sent(world, failing(status), retries=RETRIES, retryBudget=budget)

    assert 1.0 < traffic.load_ratio <= 1.2
    assert 200 not in traffic.statuses


async def test_the_few_that_are_always_allowed_add_nothing_to_a_storm(world):
    traffic = await sent(world, failing(503), retries=RETRIES)

    assert traffic.load_ratio <= 1.22  # those at its beginning


async def test_without_a_budget_they_would_have_four_times_as_much(world):
    traffic = await sent(world, failing(503), requests=200, retries=RETRIES, retryBudget={"mode": "shadow"})

    assert traffic.load_ratio == 4.0


async def test_clients_of_endpoints_that_fail_half_of_their_requests_hardly_notice(world):
    traffic = await sent(
        world, failing(503, 0.5), retries={**RETRIES, "attempts": 10, "backoff": {"max": "25ms"}}, retryBudget=NO_BUDGET
    )

    # One of 2^11 is expected to fail eleven times: 0.4 of 800. Five have a chance of less than 1 to 10,000.
    assert traffic.statuses.count(200) >= len(traffic.statuses) - 4
    assert traffic.load_ratio <= 2.2


async def test_the_usual_budget_is_enough_for_one_of_five_that_fails_half(world):
    def serve(rnd, endpoint, _number):
        return healthy(rnd), 503 if endpoint == 0 and rnd.random() < 0.5 else 200

    traffic = await sent(world, serve, retries=RETRIES)

    assert traffic.statuses.count(200) >= 0.999 * len(traffic.statuses)
    assert traffic.load_ratio <= 1.2


@pytest.mark.parametrize("hedging", [{"delay": "8ms"}, {"percentile": 95}])
async def test_one_slow_endpoint_of_five_is_not_seen_in_the_tail(world, hedging):
    traffic = await sent(world, one_slow, clients=5, requests=1600, hedging=hedging)
    settled_s = sorted(traffic.latencies_s[400:])

    healthy_p99_s = 0.0158  # 2 ms and the 99th percentile of an exponential distribution with 3 ms: 3 ms * ln(100)
    assert settled_s[int(0.99 * len(settled_s))] <= 1.5 * healthy_p99_s


async def test_without_hedging_it_is(world):
    traffic = await sent(world, one_slow, clients=5, requests=300)

    assert traffic.quantile_s(0.99) > 0.3
