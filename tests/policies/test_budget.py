"""The budget of retries and hedges: its bound, whatever comes in which order, and what survives updates."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, tuples

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.budget import NOTED_EVERY, SLOTS, Budget, Load
from nodeproxy.policies.retry_budget import POLICY, RetryBudgetSettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import PolicyWorld, exchange
from tests.fakes.tables import Mesh, web

STEPS = lists(
    tuples(sampled_from(["begin", "succeed", "fail", "hedge", "hedge ends", "wait"]), integers(0, 9)), max_size=120
)
PERCENTS, LEAST = sampled_from([0, 20, 50, 100]), integers(0, 4)


def made(world, percent=20, least=3, interval_s=0.0, load=None, decisions=None):
    tools = world.tools if decisions is None else world.tools_of(decisions)
    return Budget(percent / 100, least, interval_s, load or Load(), tools)


def play(steps, budget, world, granted):
    """Let exchanges begin, succeed, fail and be hedged; `granted` is called after each yes, with the first attempts."""
    one, exchanges, hedges = exchange(), [], 0  # of each exchange: whether it is in a retry
    for step, which in steps:
        at = which % len(exchanges) if exchanges else None
        if step == "begin":
            budget.load.begun += 1
            exchanges.append(False)
        elif step == "wait":
            world.now += which
        elif step == "hedge" and exchanges and budget.hedge(one):
            hedges += 1
            granted(exchanges.count(False), exchanges.count(True) + hedges)
        elif step == "hedge ends" and hedges:
            hedges -= 1
            budget.hedge_ended()
        elif step == "fail" and exchanges and budget.retry(one, exchanges[at]):
            exchanges[at] = True
            granted(exchanges.count(False), exchanges.count(True) + hedges)
        elif step in ("succeed", "fail") and exchanges:
            if exchanges.pop(at):
                budget.retry_ended()
            budget.load.ended += 1
    assert budget.load.active == len(exchanges)
    assert (budget.load.retrying, budget.load.extra) == (exchanges.count(True), exchanges.count(True) + hedges)


@given(steps=STEPS, percent=PERCENTS, least=LEAST)
def test_extra_attempts_are_never_granted_beyond_their_share_of_the_first_ones(steps, percent, least):
    world = PolicyWorld()

    def within(first, extra):
        assert extra <= max(least, percent / 100 * first)

    play(steps, made(world, percent, least), world, within)


@given(steps=STEPS, percent=PERCENTS, least=LEAST)
def test_with_an_interval_no_more_begin_than_their_share_of_what_has_begun(steps, percent, least):
    world = PolicyWorld()
    budget = made(world, percent, least, interval_s=10.0)
    budget.note()

    def within(_first, extra):
        since, begun, taken = budget.load.snapshots[0] if budget.load.snapshots else (0, 0, 0)
        share = percent / 100 * (budget.load.begun - begun)
        within_share = budget.load.taken - taken <= max(share, least * 10.0)
        assert extra <= least or (within_share and world.now - since <= 10.0)
        assert len(budget.load.snapshots) <= SLOTS + 1

    play(steps, budget, world, within)


def test_in_a_storm_of_failures_endpoints_have_at_most_a_fifth_more():
    budget, one = made(PolicyWorld()), exchange()
    budget.load.begun = 120

    granted = sum(budget.retry(one, holding=False) for _ in range(120))

    assert granted == 20  # of 100 that are left in their first attempt


def test_few_requests_may_be_sent_again_all_the_same():
    budget, one = made(PolicyWorld()), exchange()
    budget.load.begun = 5

    assert [budget.retry(one, holding=False) for _ in range(5)] == [True, True, True, False, False]


def test_a_retry_that_fails_may_be_followed_by_one_in_its_place():
    budget, one = made(PolicyWorld(), least=1), exchange()
    budget.load.begun = 2
    assert budget.retry(one, holding=False)

    assert budget.retry(one, holding=True)
    assert not budget.retry(one, holding=False)

    budget.retry_ended()
    assert budget.retry(one, holding=False)


def test_after_a_pause_the_traffic_of_long_ago_allows_nothing():
    world = PolicyWorld()
    budget, one = made(world, least=0, interval_s=10.0), exchange()
    assert not budget.retry(one, holding=False)
    budget.load.begun = budget.load.ended = 1000
    assert budget.most() == 200

    world.now += 11

    assert budget.most() == 0
    assert not budget.retry(one, holding=False)


def test_a_sudden_failure_after_a_quiet_time_has_the_share_of_that_time():
    world = PolicyWorld()
    budget, one = made(world, interval_s=10.0), exchange()
    for _ in range(1000):
        world.now += 0.01
        budget.load.begun += 1
        budget.load.ended += 1
        if not budget.load.begun % NOTED_EVERY:
            budget.note()
    budget.load.begun += 100

    granted = sum(budget.retry(one, holding=False) for _ in range(100))

    assert granted == 100


def test_what_is_beyond_the_budget_is_counted_and_in_shadow_mode_granted():
    world, one = PolicyWorld(), exchange()
    counts = world.stats.decisions
    strict = made(world, 0, 0, decisions=Decisions(counts, "retryBudget"))
    lenient = made(world, 0, 0, decisions=Decisions(counts, "retryBudget", "shadow"))

    assert not strict.retry(one, holding=False) and one.shadowed == ()
    assert lenient.retry(one, holding=False) and one.shadowed == ("retryBudget:over-budget",)

    assert counts == {("retryBudget", "over-budget", "enforce"): 1, ("retryBudget", "over-budget", "shadow"): 1}


@pytest.mark.parametrize("written", [{"percent": 50}, {"mode": "shadow"}, {"budgetInterval": 0}])
def test_what_is_under_way_stays_taken_over_every_update(written):
    mesh = Mesh(Replace((web(),)))
    before = mesh.match(b"web.shop.mesh").states["retryBudget"]
    before.load.begun = before.load.retrying = before.load.extra = 7

    mesh.live.install(Put(web(policies={"retryBudget": written})))
    after = mesh.match(b"web.shop.mesh").states["retryBudget"]

    assert after is not before and after.load is before.load


def test_the_usual_budget_is_that_of_other_meshes():
    settings = settings_of({})["retryBudget"]

    assert settings == RetryBudgetSettings()
    assert (settings.percent, settings.min_retry_concurrency, settings.budget_interval_s) == (20, 3, 10)


@pytest.mark.parametrize(("least", "workers", "share"), [(3, 1, 3), (8, 4, 2), (3, 4, 1), (0, 4, 0)])
def test_workers_divide_what_is_always_allowed(least, workers, share):
    tools = replace(PolicyWorld().tools, workers=workers)
    settings = RetryBudgetSettings.model_validate({"percent": 0, "minRetryConcurrency": least})
    state = POLICY.state(settings, None, tools)

    assert sum(state.hedge(exchange()) for _ in range(9)) == share


@pytest.mark.parametrize("written", [{"percent": 101}, {"percent": -1}, {"minRetryConcurrency": -1}])
def test_what_cannot_be_a_budget_is_refused(written):
    with pytest.raises(PolicyRefused, match=f"retryBudget.{next(iter(written))}"):
        settings_of({"retryBudget": written})
