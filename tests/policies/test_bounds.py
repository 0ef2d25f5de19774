"""What lies just outside: statuses beside the 5xx, tables beyond those remembered, defaults of other meshes."""

import pytest

from nodeproxy.policies import table
from nodeproxy.policies.health_check import HealthCheckSettings
from nodeproxy.policies.retries import RetriesSettings, retried_statuses
from nodeproxy.policies.table import SharedSettings
from nodeproxy.policies.timeouts import POLICY
from tests.fakes.exchanges import PolicyWorld


def timeouts_of(seconds):
    return {"timeouts": {"connect": f"{seconds}s"}}


def test_5xx_are_the_statuses_from_500_to_599():
    statuses = retried_statuses(RetriesSettings.model_validate({"retryOn": ("5xx",)}))

    assert (min(statuses), max(statuses), len(statuses)) == (500, 599, 100)


def test_several_tables_are_remembered_beside_each_other():
    shared = SharedSettings()
    first = [shared.of(timeouts_of(seconds)) for seconds in range(1, 5)]

    again = [shared.of(timeouts_of(seconds)) for seconds in range(1, 5)]

    assert all(one is other for one, other in zip(first, again, strict=True))


def test_at_no_time_are_more_tables_remembered_than_the_bound(monkeypatch):
    monkeypatch.setattr(table, "SHARED_MOST", 3)
    shared, counts = SharedSettings(), []

    for seconds in range(1, 9):
        shared.of(timeouts_of(seconds))
        counts.append(len(shared._known))

    assert counts == [1, 2, 3, 1, 2, 3, 1, 2]


def test_the_usual_probe_is_that_of_other_meshes():
    probe = HealthCheckSettings()

    assert (probe.path, probe.interval_s, probe.timeout_s) == ("/", 3, 1)
    assert (probe.unhealthy_threshold, probe.healthy_threshold) == (3, 1)


@pytest.mark.parametrize(("value", "name"), [(POLICY, "name"), (PolicyWorld().tools, "now")])
def test_what_policies_share_cannot_be_changed(value, name):
    with pytest.raises(AttributeError):
        setattr(value, name, None)
