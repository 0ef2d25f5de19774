"""A schedule is played to its end, and the same in every run: so what differs between builds is theirs."""

from collections import Counter

import pytest

from tests.fuzz.outcomes import schedule
from tests.fuzz.schedules import STEPS


@pytest.mark.parametrize("seed", [b"%d" % number for number in range(20)])
def test_a_schedule_is_the_same_in_every_run(seed):
    first, second = schedule(seed), schedule(seed)

    assert len(first) == STEPS + 3
    assert first == second


def test_schedules_reach_endpoints_refusals_and_rules():
    statuses = Counter(
        line.partition("HTTP/1.1 ")[2][:3] for number in range(20) for line in schedule(b"%d" % number)[:STEPS]
    )

    assert statuses.keys() >= {"200", "204", "301", "410", "418", "429", "500", "502", "503"}
