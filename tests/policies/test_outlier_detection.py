"""`outlierDetection` over real sockets, its fields, its state across updates."""

from collections import Counter

import pytest

from nodeproxy.balance.outlier_record import FailureRules, SuccessRateRules
from nodeproxy.policies.outlier_detection import POLICY, OutlierDetectionSettings, rules
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.balanced import OK, Balanced

BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
NO_RETRIES = {"retries": {"attempts": 0}}
OUTLIER = {**NO_RETRIES, "outlierDetection": {}}


async def shares(service, times=60):
    """How many of so many requests each endpoint is asked."""
    return Counter([(await service.get()).server for _ in range(times)])


@pytest.mark.parametrize("answer", [BROKEN, None])
async def test_an_endpoint_that_fails_gets_five_requests_and_no_more_until_its_ejection_ends(world, answer):
    service = Balanced(world, 3, OUTLIER)
    service.answers[0] = answer

    assert (await shares(service))[0] == 5
    world.advance(31)
    service.answers[0] = OK

    assert (await shares(service))[0] > 5
    assert service.decisions() == {("outlierDetection", "consecutive-5xx", "enforce"): 1}


async def test_without_the_policy_it_gets_its_share(world):
    service = Balanced(world, 3, NO_RETRIES)
    service.answers[0] = BROKEN

    assert (await shares(service))[0] > 10
    assert service.members()[0].judges == ()


async def test_an_endpoint_that_cannot_be_connected_to_is_ejected_by_both(world):
    service = Balanced(world, 2, OUTLIER)
    service.servers.pop(0).stop()
    for _ in range(60):
        await service.get()
        world.advance(1)  # the ejection that failed connects cause ends each time

    (broken, other) = service.standings().values()
    assert broken.connect_failures >= 5 and not broken.usable
    assert (broken.outlier_ejections, broken.outlier_why) == (1, "consecutive-5xx")
    assert (other.ejections, other.usable) == (0, True)


async def test_state_survives_updates_as_long_as_the_endpoint_stays(world):
    service = Balanced(world, 3, OUTLIER)
    service.answers[0] = BROKEN
    await shares(service)

    service.add()
    assert (await shares(service))[0] == 0
    service.install({**OUTLIER, "outlierDetection": {"interval": "5s"}})
    assert (await shares(service))[0] == 0
    service.install({**OUTLIER, "outlierDetection": {"mode": "shadow"}})
    assert (await shares(service))[0] > 5
    service.install(NO_RETRIES)

    assert (await shares(service))[0] > 5


async def test_in_shadow_mode_what_would_have_been_ejected_is_counted(world):
    service = Balanced(world, 3, {**NO_RETRIES, "outlierDetection": {"mode": "shadow"}})
    service.answers[0] = BROKEN

    assert (await shares(service))[0] > 10
    assert service.decisions() == {("outlierDetection", "consecutive-5xx", "shadow"): 1}
    assert service.figures(POLICY) == {"ejected": 1.0}


async def test_a_client_that_goes_away_is_no_failure_of_the_endpoint(world):
    service = Balanced(world, 1, OUTLIER)
    service.answers[0] = b""
    for _ in range(6):
        client = await world.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
        await world.settle()
        client.reset()
        await world.settle()

    (seen,) = service.standings().values()
    assert (seen.errors, seen.usable) == (0, True)


async def test_responses_that_break_off_eject(world):
    service = Balanced(world, 2, OUTLIER)
    service.answers[0] = service.answers[1] = CUT + b"half"
    for _ in range(12):
        client = await world.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n")
        await service.serve_one()
        client.close()

    assert sorted(seen.outlier_ejections for seen in service.standings().values()) == [0, 1]


def test_the_usual_rules_are_istios():
    usual = rules(OutlierDetectionSettings())

    assert (usual.consecutive_errors, usual.consecutive_gateway, usual.consecutive_local) == (5, 0, 5)
    assert (usual.interval_s, usual.base_s, usual.longest_s, usual.most_percent) == (10, 30, 300, 10)
    assert (usual.split, usual.success_rate, usual.failures) == (False, None, None)
    assert usual.error_codes == frozenset(range(500, 600))


def test_fields_are_written_as_in_istio():
    written = {
        "consecutive5xxErrors": 3,
        "consecutiveGatewayErrors": 2,
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailures": 4,
        "httpErrorCodes": [429, 503],
        "interval": "1s",
        "baseEjectionTime": "5s",
        "maxEjectionTime": "1m",
        "maxEjectionPercent": 50,
        "alwaysEjectOneHost": False,
        "minHealthPercent": 30,
        "successRate": {"minimumHosts": 3},
        "failurePercentage": {"threshold": 50},
    }

    in_force = rules(settings_of({"outlierDetection": written})["outlierDetection"])

    assert (in_force.consecutive_errors, in_force.consecutive_gateway, in_force.consecutive_local) == (3, 2, 4)
    assert (in_force.interval_s, in_force.base_s, in_force.longest_s, in_force.most_percent) == (1, 5, 60, 50)
    assert (in_force.split, in_force.always_one, in_force.error_codes) == (True, False, frozenset({429, 503}))
    assert in_force.success_rate == SuccessRateRules(3, 100, 1.9)
    assert in_force.failures == FailureRules(50, 5, 50)


@pytest.mark.parametrize(
    "written",
    [
        {"consecutive5xxErrors": -1},
        {"interval": "0s"},
        {"maxEjectionPercent": 101},
        {"httpErrorCodes": [200]},
        {"successRate": {"stdevFactor": -1}},
        {"failurePercentage": {"threshold": 0}},
        {"baseEjectionTime": 30},
    ],
)
def test_what_makes_no_sense_is_refused(written):
    with pytest.raises(PolicyRefused):
        settings_of({"outlierDetection": written})
