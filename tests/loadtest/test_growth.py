"""What is measured of work that grows, and its table."""

from dataclasses import replace

from loadtest.growth import Grown, GrowthRecord, _with, faults, markdown
from loadtest.machine import Commit
from loadtest.record_file import save
from tests.loadtest.bench_records import record

SIZE = Grown(2, 10_000, 1000, 30_000.0, 24e-6, 0.002, 50 * 2**20, {"timeout": 0})


def grown(*sizes):
    return GrowthRecord("2026-01-01", Commit("a" * 40, False), record().machine, sizes)


def test_a_line_has_a_size_and_what_it_costs():
    lines = markdown(grown(SIZE, replace(SIZE, peer="haproxy"))).splitlines()

    assert lines[2] == "| 2 workers, 10,000 services | 1,000 | 30,000 | 24.0 | 2.00 | 50.0 |"
    assert lines[3] == "| haproxy | 1,000 | 30,000 | 24.0 | 2.00 | 50.0 |"


def test_wrong_answers_are_told_with_their_size():
    assert faults(grown(SIZE)) == ()
    assert faults(grown(SIZE, Grown(1, 10, 1, 1.0, 1.0, 1.0, 1, {"timeout": 2}))) == (
        "1 worker, 10 services, 1 connections: {'timeout': 2}",
    )


def test_several_workers_may_use_both_cores():
    assert _with(1).command[:3] == ("taskset", "-c", "0") and _with(2).command[:3] == ("taskset", "-c", "0,1")
    assert "--workers 2" in " ".join(_with(2).command)


def test_it_is_saved_as_json(tmp_path):
    save(grown(SIZE), tmp_path / "growth.json")

    assert '"connections": 1000' in (tmp_path / "growth.json").read_text()
