"""What one slow endpoint of five does to the slowest of a hundred requests, in simulated time."""

import pytest

from tests.fakes.tail import SLOW_S, USUAL_S, Tail

pytestmark = pytest.mark.no_cover  # thousands of rounds of the same lines, which tracing makes twice as long

HEDGED = {"hedging": {"percentile": 95}}


@pytest.mark.parametrize("first_s", [USUAL_S, SLOW_S], ids=["healthy", "one slow"])
async def test_beside_hedges_a_slow_endpoint_is_avoided_so_that_few_requests_wait_for_one(world, first_s):
    tail = Tail(world, HEDGED, first_s)

    p99_s = await tail.p99_s(warmup=300, measured=400)

    assert p99_s <= 1.5 * USUAL_S[1]
    assert first_s == USUAL_S or tail.at_first < 7  # of 700; each of them is hedged, or was before the delay was known


async def test_where_requests_are_counted_each_one_at_the_slow_endpoint_takes_the_delay_and_a_second_attempt(world):
    tail = Tail(world, {**HEDGED, "loadBalancer": {"simple": "LEAST_REQUEST"}}, SLOW_S)

    p99_s = await tail.p99_s(warmup=300, measured=400)

    assert 1.5 * USUAL_S[1] < p99_s <= 2.2 * USUAL_S[1]
    assert tail.at_first > 50
