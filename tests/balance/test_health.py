"""An endpoint's memory: ejections that grow and end, probes that need several results in a row."""

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, integers, lists

from nodeproxy.balance.health import (
    EJECTION_MAX_S,
    EJECTION_S,
    Health,
    ProbeRecord,
    as_without_policies,
    connect_failed,
    connected,
    probed,
    usable,
)
from nodeproxy.balance.outlier_record import OutlierRecord
from nodeproxy.balance.standing import standing

NOW = 1000.0


def fail_in_a_row(health, times):
    """Fail `times` times, each as soon as the last ejection is over; the moments the ejections began."""
    now, began = NOW, []
    for _ in range(times):
        connect_failed(health, now)
        began.append(now)
        now = health.ejected_until
    return began


def test_an_endpoint_never_seen_before_is_usable():
    assert usable(Health(), 0.0)


def test_an_ejection_ends_by_itself():
    health = Health()

    connect_failed(health, NOW)

    assert not usable(health, NOW + EJECTION_S - 0.001)
    assert usable(health, NOW + EJECTION_S)


def test_each_failure_in_a_row_doubles_the_ejection_up_to_its_longest():
    health = Health()

    began = fail_in_a_row(health, 9)

    ends = [*began[1:], health.ejected_until]
    assert [end - start for start, end in zip(began, ends, strict=True)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(times=integers(1, 3000))
def test_no_ejection_is_longer_than_the_longest(times):
    health = Health(failures=times)

    connect_failed(health, NOW)

    assert NOW < health.ejected_until <= NOW + EJECTION_MAX_S


def test_failures_that_were_under_way_together_count_once():
    health = Health()
    for late_s in (0.0, 0.1, 0.9):
        connect_failed(health, NOW + late_s)

    assert (health.failures, health.ejections, health.ejected_until) == (1, 1, NOW + EJECTION_S)


def test_a_connection_forgets_the_failures_before_it_but_not_their_number():
    health = Health()
    fail_in_a_row(health, 5)

    connected(health)
    assert usable(health, NOW)
    connect_failed(health, NOW + 500)

    assert health.ejected_until == NOW + 500 + EJECTION_S
    assert health.ejections == 6


@pytest.mark.parametrize(
    ("healthy_after", "unhealthy_after", "results", "changes"),
    [
        (1, 1, "x.x.", "DUDU"),
        (1, 3, "xx.xxx..", "-----DU-"),
        (2, 2, "xxxx.x..", "-D-----U"),
        (3, 1, "x.......", "D--U----"),
        (1, 1, "....", "----"),
    ],
)
def test_health_changes_after_enough_results_in_a_row(healthy_after, unhealthy_after, results, changes):
    health, record, seen = Health(), ProbeRecord(), ""
    for result in results:
        changed = probed(health, record, result == ".", healthy_after, unhealthy_after)
        seen += ("D" if health.probes_down else "U") if changed else "-"

    assert seen == changes


@given(results=lists(booleans(), min_size=1))
def test_a_probe_that_changes_nothing_says_so(results):
    health, record = Health(), ProbeRecord()
    for ok in results:
        was_down = health.probes_down

        changed = probed(health, record, ok, 2, 3)

        assert changed == (health.probes_down != was_down)
        assert record.successes * record.failures == 0


def test_an_endpoint_that_probes_found_down_is_not_usable_although_not_ejected():
    health = Health(probes_down=True)

    connected(health)

    assert not usable(health, NOW)


@pytest.mark.parametrize(("down", "ok"), [(False, False), (True, True)])
def test_a_threshold_that_was_lowered_counts_the_results_before_it(down, ok):
    health, record = Health(probes_down=down), ProbeRecord()
    for _ in range(4):
        assert not probed(health, record, ok, 9, 9)

    assert probed(health, record, ok, 2, 2)


def test_an_endpoint_found_down_before_its_record_began_needs_all_its_successes():
    health, record = Health(probes_down=True), ProbeRecord()

    changes = [probed(health, record, True, 3, 3) for _ in range(3)]

    assert changes == [False, False, True]


def test_what_policies_have_imposed_is_lifted_and_failures_to_connect_stay():
    health = Health(outlier_until=NOW + 30, weight=0.1)
    connect_failed(health, NOW)

    as_without_policies(health)

    assert (health.outlier_until, health.weight, health.failures) == (0.0, 1.0, 1)
    assert not usable(health, NOW) and usable(health, NOW + EJECTION_S)


def test_a_standing_has_each_number_of_the_endpoint_once():
    record = OutlierRecord(
        errors=1, gateway_errors=2, local_failures=3, success_rate=0.4, requests=5, ejections=6, why="w"
    )
    health = Health(failures=7, ejections=8, weight=0.9, probes_down=True, outlier=record)
    health.ejected_until, health.outlier_until = NOW + 10, NOW + 11

    assert standing(health, NOW) == (False, True, 7, 11.0, 8, 0.9, None, 1, 2, 3, 0.4, 5, 6, "w")
    health.outlier_until = NOW
    assert standing(health, NOW).ejected_s == 10.0
    assert standing(Health(), NOW) == (True, False, 0, 0.0, 0, 1.0, None, 0, 0, 0, None, 0, 0, "")
