"""Changed tables on trial: which table is in force, when a trial ends, and what takes it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.rollouts.judgement import Tally, is_worse
from discovery.rollouts.rollouts import Counts, Rollouts, described
from nodeproxy.mesh.model import Service

KEY = "shop/web"
OLD = {"timeouts": {"request": "1s"}}
TRY = {"rollout": {"percentage": 10, "until": "10m", "margin": 1, "minRequests": 20}}
NEW = {"timeouts": {"request": "2s"}, **TRY}
NEWER = {"timeouts": {"request": "3s"}, **TRY}
ON_NODES = {"timeouts": {"request": "2s"}, "rollout": {"of": "nodes", "percentage": 50, "minRequests": 20}}
NONE, GOOD, BAD = Tally(), Tally(1000, 1), Tally(100, 50)


class Wall:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def wall():
    return Wall()


def rollouts_of(wall, *tables, node="n1"):
    """Rollouts that have seen these tables of one service."""
    made = Rollouts(node, wall)
    made.active = True
    for table in tables:
        made.settle(KEY, table)
    return made


def reviewed(rollouts, new=NONE, last_good=NONE, whole=NONE):
    """Whether something else is in force after two reviews, between which these requests have come."""
    before = rollouts.review(lambda _key: Counts())
    return bool(before | rollouts.review(lambda _key: Counts(whole, new, last_good)))


def test_the_first_table_and_one_without_rollout_are_in_force_at_once(wall):
    rollouts = rollouts_of(wall)

    assert rollouts.settle(KEY, NEW) == (NEW, None)
    assert rollouts.settle(KEY, OLD) == (OLD, None)


def test_what_is_seen_before_the_source_is_in_sync_is_no_change(wall):
    rollouts = Rollouts("n1", wall)
    assert rollouts.settle(KEY, {}) == ({}, None)
    rollouts.active = True

    assert rollouts.settle(KEY, NEW) == (NEW, None)


def test_a_change_leaves_the_last_good_table_in_force_beside_it(wall):
    rollouts = rollouts_of(wall, OLD)

    policies, trial = rollouts.settle(KEY, NEW)

    assert policies == OLD
    assert (trial.policies, trial.percentage, trial.began_at) == (NEW, 10.0, wall.now)


def test_a_change_of_how_it_is_rolled_out_alone_is_no_trial(wall):
    rollouts = rollouts_of(wall, OLD)

    assert rollouts.settle(KEY, {**OLD, **TRY}) == ({**OLD, **TRY}, None)


def test_the_changed_table_is_in_force_when_its_time_has_passed(wall):
    rollouts = rollouts_of(wall, OLD, NEW)
    wall.now += 599

    assert not reviewed(rollouts)
    wall.now += 1
    assert reviewed(rollouts)
    assert rollouts.settle(KEY, NEW) == (NEW, None)


def test_failures_take_it_back_until_the_table_changes_again(wall):
    rollouts = rollouts_of(wall, OLD, NEW)

    assert reviewed(rollouts, new=BAD, last_good=GOOD)

    policies, trial = rollouts.settle(KEY, NEW)
    assert (policies, trial.percentage) == (OLD, 0.0)
    assert described(trial) == (
        "taken back: under the changed table 50.0% of 100 failed, under the last good one 0.1% of 1,000 failed"
    )
    assert [step.what for step in rollouts.steps()] == ["began", "returned"]
    wall.now += 86400
    assert not reviewed(rollouts)
    assert rollouts.settle(KEY, NEWER)[1].policies == NEWER


def test_what_failed_as_often_before_is_no_reason(wall):
    rollouts = rollouts_of(wall, OLD, NEW)

    assert not reviewed(rollouts, new=Tally(100, 50), last_good=Tally(1000, 500))


def test_few_requests_are_not_judged(wall):
    rollouts = rollouts_of(wall, OLD, NEW)

    assert not reviewed(rollouts, new=Tally(19, 19), last_good=GOOD)
    assert reviewed(rollouts, new=Tally(20, 20), last_good=GOOD)


def test_few_requests_are_judged_when_the_time_has_passed(wall):
    rollouts = rollouts_of(wall, OLD, NEW)
    rollouts.review(lambda _key: Counts())
    wall.now += 600

    rollouts.review(lambda _key: Counts(new=Tally(5, 5), last_good=GOOD))

    assert rollouts.settle(KEY, NEW)[1].returned


def test_what_came_before_the_trial_does_not_count(wall):
    rollouts = rollouts_of(wall, OLD, NEW)
    rollouts.review(lambda _key: Counts(new=BAD, last_good=GOOD))

    assert rollouts.review(lambda _key: Counts(new=BAD, last_good=GOOD)) == set()


def test_in_shadow_mode_it_is_reported_once_and_stays_in_force(wall):
    shadow = {**NEW, "rollout": {**NEW["rollout"], "mode": "shadow"}}
    rollouts = rollouts_of(wall, OLD, shadow)

    assert not reviewed(rollouts, new=BAD, last_good=GOOD)
    assert not reviewed(rollouts, new=BAD, last_good=GOOD)

    assert [step.what for step in rollouts.steps()] == ["began", "would-return"]


@pytest.mark.parametrize("after", [OLD, {"timeouts": {"request": "2s"}}])
def test_changing_back_or_removing_the_rollout_ends_the_trial_at_once(wall, after):
    rollouts = rollouts_of(wall, OLD, NEW)

    assert rollouts.settle(KEY, after) == (after, None)


def test_a_change_during_a_trial_begins_anew_beside_the_last_good_table(wall):
    rollouts = rollouts_of(wall, OLD, NEW)
    wall.now += 500

    policies, trial = rollouts.settle(KEY, NEWER)

    assert (policies, trial.policies, trial.began_at) == (OLD, NEWER, wall.now)


def test_of_many_nodes_the_given_part_begins_with_all_requests_and_the_others_wait(wall):
    trials = [rollouts_of(wall, OLD, node=f"n{number}").settle(KEY, ON_NODES) for number in range(400)]

    chosen = [policies for policies, trial in trials if trial.percentage == 100]
    waiting = [policies for policies, trial in trials if trial.percentage == 0]
    assert all(policies == ON_NODES for policies in chosen)
    assert all(policies == OLD for policies in waiting)
    assert 160 < len(chosen) < 240
    assert len(chosen) + len(waiting) == 400


def node_that(wall, chosen):
    """The rollouts of a node that is among the first, or of one that is not."""
    for number in range(100):
        found = rollouts_of(wall, OLD | {"rollout": ON_NODES["rollout"]}, node=f"n{number}")
        probe = rollouts_of(wall, OLD, node=f"n{number}")
        if (probe.settle(KEY, ON_NODES)[1].percentage == 100) is chosen:
            return found
    raise AssertionError("no such node")


def test_a_node_that_waited_begins_with_a_part_of_its_requests(wall):
    rollouts = node_that(wall, chosen=False)
    rollouts.settle(KEY, ON_NODES)
    wall.now += 600

    assert reviewed(rollouts)

    policies, trial = rollouts.settle(KEY, ON_NODES)
    assert policies["timeouts"] == OLD["timeouts"]
    assert (trial.percentage, trial.began_at) == (50.0, wall.now)


def test_a_whole_node_is_compared_with_its_own_past_and_returns(wall):
    rollouts = node_that(wall, chosen=True)
    rollouts.review(lambda _key: Counts(whole=Tally(0, 0)))
    rollouts.settle(KEY, ON_NODES)
    rollouts.review(lambda _key: Counts(whole=Tally(1000, 300)))

    same = rollouts.review(lambda _key: Counts(whole=Tally(1100, 330)))
    worse = rollouts.review(lambda _key: Counts(whole=Tally(1200, 390)))

    assert (same, worse) == (set(), {KEY})
    policies, trial = rollouts.settle(KEY, ON_NODES)
    assert policies["timeouts"] == OLD["timeouts"]
    assert trial.returned


def test_the_past_of_a_whole_node_is_its_last_ten_minutes(wall):
    rollouts = node_that(wall, chosen=True)
    rollouts.review(lambda _key: Counts(whole=Tally(0, 0)))
    for minute in range(1, 11):  # bad until one minute, good since
        wall.now += 60
        rollouts.review(lambda _key, minute=minute: Counts(whole=Tally(1000 * minute, 500)))
        wall.now += 1
        rollouts.review(lambda _key, minute=minute: Counts(whole=Tally(1000 * minute + 1, 501)))
        wall.now -= 1
    rollouts.settle(KEY, ON_NODES)
    rollouts.review(lambda _key: Counts(whole=Tally(10_000, 500)))

    assert rollouts.review(lambda _key: Counts(whole=Tally(10_100, 510))) == {KEY}

    assert described(rollouts.settle(KEY, ON_NODES)[1]).endswith("under the last good one 0.0% of 9,000 failed")


@pytest.mark.parametrize("table", [OLD, {**OLD, **TRY}])
def test_without_a_trial_a_review_changes_nothing_and_reads_no_counts(wall, table):
    rollouts = rollouts_of(wall, table)
    asked = []

    assert rollouts.review(asked.append) == set()
    assert asked == []


def test_a_trial_in_words_says_whom_it_is_for(wall):
    part = rollouts_of(wall, OLD).settle(KEY, NEW).trial
    waiting, whole = (node_that(wall, chosen).settle(KEY, ON_NODES).trial for chosen in (False, True))

    assert [described(trial) for trial in (part, waiting, whole)] == [
        "for 10 % of the requests",
        "on other nodes first",
        "for all of this node",
    ]


def test_a_service_that_came_again_has_no_past_table(wall):
    rollouts = rollouts_of(wall, OLD)
    rollouts.forget(KEY)

    assert rollouts.settle(KEY, NEW) == (NEW, None)


def test_a_restart_goes_on_with_the_trial_and_with_what_was_taken_back(wall):
    rollouts = rollouts_of(wall, OLD, NEW)
    wall.now += 100
    for take_back in (False, True):
        if take_back:
            reviewed(rollouts, new=BAD, last_good=GOOD)
        policies, trial = rollouts.settle(KEY, NEW)

        restarted = Rollouts("n1", wall)
        restarted.restore([Service("shop", "web", policies=policies, trial=trial)])
        restarted.active = True

        assert restarted.settle(KEY, NEW) == (policies, trial)


def test_a_table_changed_while_nothing_ran_is_on_trial_too(wall):
    restarted = Rollouts("n1", wall)
    restarted.restore([Service("shop", "web", policies=OLD)])
    restarted.active = True

    assert restarted.settle(KEY, NEW)[0] == OLD


@pytest.mark.parametrize(
    ("requests", "last_good", "margin", "failed"),
    [
        (100, Tally(100, 50), 0.0, 60),  # 50 expected, with a deviation of 5
        (100, Tally(100, 40), 0.1, 60),
        (400, Tally(1000, 200), 0.0, 96),  # 80, with 8
        (1000, Tally(1000, 0), 0.0, 2),
        (1000, Tally(), 0.0, 2),
    ],
)
def test_more_than_two_deviations_beyond_what_is_expected_and_at_least_three_failures_are_worse(
    requests, last_good, margin, failed
):
    assert not is_worse(Tally(requests, failed), last_good, margin)
    assert is_worse(Tally(requests, failed + 1), last_good, margin)


def test_nothing_is_worse_than_a_table_under_which_everything_failed():
    assert not is_worse(Tally(100, 100), Tally(10, 10), 0.2)


def test_counts_that_went_back_count_as_nothing():
    assert Tally(7, 5).since(Tally(7, 5)) == Tally(2, 1).since(Tally(7, 5)) == Tally(0, 0)


@given(st.integers(0, 10_000), st.integers(0, 100), st.floats(0, 0.2))
def test_no_table_without_failures_is_worse_and_more_failures_are_never_better(requests, percent, margin):
    last_good = Tally(1000, 10 * percent)
    verdicts = [is_worse(Tally(requests, failed), last_good, margin) for failed in range(0, requests, 97)]

    assert not is_worse(Tally(requests, 0), last_good, margin)
    assert verdicts == sorted(verdicts)
