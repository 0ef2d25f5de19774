"""What the report of `loadtest seeing` says of its runs."""

from loadtest.machine import Commit, Machine
from loadtest.seeing import NOTHING, SeeingRecord, Seen, faults, markdown


def record(*runs):
    machine = Machine("a processor", 2, "6.1", "3.11", 0.1)
    return SeeingRecord("2026-01-01T00:00:00+00:00", Commit("0123456789", False), machine, 2000.0, 5.0, runs)


def seen(watched, p99_s, number=1, errors=None):
    return Seen(watched, number, 10_000, 0.0004, p99_s, 0.0001, 0.02, 90_000_000, 0.0, errors or {"connect": 0})


def test_each_kind_of_watching_is_compared_with_nothing_by_medians():
    runs = [seen(NOTHING, p99_s, number) for number, p99_s in enumerate((0.001, 0.002, 0.009), 1)]

    text = markdown(record(*runs, seen("tap", 0.0021)))

    assert "2000 requests/s for 5 s, 3 rounds, commit 0123456" in text
    assert "| nothing | 0.400 ms | 2.000 ms | - | 100.0 µs | 2.0% | 90.0 MB |" in text
    assert "| tap | 0.400 ms | 2.100 ms | +5.0% | 100.0 µs | 2.0% | 90.0 MB |" in text


def test_a_run_with_errors_is_named():
    assert faults(record(seen(NOTHING, 0.001), seen("top", 0.001, 2, {"status": 3}))) == (
        "top, round 2: {'status': 3}",
    )
