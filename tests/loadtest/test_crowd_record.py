"""Ten callers beside a greedy one: who calls what, and the medians that are reported."""

import msgspec
import pytest
import yaml

from loadtest.machine import Commit, Machine
from loadtest.record_file import save
from loadtest.resilience.client import Got
from loadtest.resilience.crowd import CALLERS, FLOOD, RATE, SITUATIONS, CrowdRecord, Turn, mesh_of, streams
from loadtest.resilience.crowd_report import summary
from loadtest.resilience.endpoints import Place
from nodeproxy.policies.table import settings_of

COMMIT, MACHINE = Commit("0123456789abcdef", dirty=False), Machine("A Processor", 2, "6.1", "3.11.7", 0.1)
NAME = SITUATIONS[0].name


def turn(p99_s, greedy, good=1200):
    callers = Got("all", 1200, {"200": good, "503": 1200 - good}, 0.006, p99_s, 0.009)
    return Turn(NAME, greedy, callers, 20_000.0 if greedy else 0.0, 1.0, 0.02)


def record(*turns):
    return CrowdRecord(1, "2026-11-21T03:00:00+00:00", COMMIT, MACHINE, turns)


def test_callers_have_addresses_of_their_own_and_are_never_due_at_the_same_time():
    callers = streams()
    due = [stream.phase_s + number / stream.rate for stream in callers for number in range(20)]

    assert len({stream.address for stream in callers}) == CALLERS
    assert min(later - earlier for earlier, later in zip(sorted(due), sorted(due)[1:], strict=False)) == pytest.approx(
        1 / (CALLERS * RATE)
    )


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
def test_tables_are_accepted_and_the_ten_are_far_below_what_their_endpoint_serves(situation):
    settings_of(situation.table)

    assert 0.2 * situation.behaviour.slots / situation.behaviour.service_s >= CALLERS * RATE
    assert situation.host in (FLOOD, situation.name)


def test_each_situation_has_a_service_with_its_endpoint():
    places = [Place(7000 + number, each.behaviour) for number, each in enumerate(SITUATIONS)]
    text = mesh_of(SITUATIONS, places)["crowd.yaml"].replace("@backend_port@", "7999")

    slices = [each for each in yaml.safe_load_all(text) if each["kind"] == "EndpointSlice"]

    ports = {each["metadata"]["labels"]["kubernetes.io/service-name"]: each["ports"][0]["port"] for each in slices}
    assert ports == {FLOOD: 7999, **{each.name: 7000 + number for number, each in enumerate(SITUATIONS)}}


def test_the_report_has_the_medians_of_the_rounds_and_all_failures():
    rounds = [(0.0060, 0.0066, 1200), (0.0080, 0.0090, 1195), (0.0050, 0.0055, 1199)]

    text = summary(
        record(*(each for alone, beside, good in rounds for each in (turn(alone, False), turn(beside, True, good))))
    )

    assert f"| {SITUATIONS[0].title} | 20,000 | 6.0 → 6.0 | 6.0 → 6.6 | 1.10 | 6 | 100% | 2.0% |\n" in text
    assert "Medians of 3 rounds" in text
    assert SITUATIONS[1].title not in text


def test_a_saved_record_can_be_read(tmp_path):
    written = record(turn(0.006, False), turn(0.007, True))

    save(written, tmp_path / "fairness.json")

    assert msgspec.json.decode((tmp_path / "fairness.json").read_bytes(), type=CrowdRecord) == written
