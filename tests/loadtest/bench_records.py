"""Valid records, of which a test states only what matters to it."""

from loadtest.machine import Commit, Machine
from loadtest.procstat import Cpu
from loadtest.record import Memory, Paced, Record, Saturated

CPU = Cpu(0.2, 0.1)


def saturated(peer="envoy", scenario="twelve-fields", round=1, requests=10_000, cpu=CPU, **other):
    values = {
        "duration_s": 1.0,
        "received_bytes": 1_000_000,
        "p50_s": 0.001,
        "p99_s": 0.002,
        "worker_cpu": cpu,
        "all_cpu": cpu,
        "stolen_s": 0.0,
        "errors": {"read": 0, "status": 0},
    }
    return Saturated(peer=peer, scenario=scenario, round=round, requests=requests, **{**values, **other})


def paced(peer="envoy", scenario="twelve-fields", round=1, **other):
    values = {
        "rate": 5000.0,
        "requests": 5000,
        "p50_s": 0.0001,
        "p99_s": 0.0005,
        "p999_s": 0.001,
        "largest_s": 0.002,
        "stolen_s": 0.0,
        "errors": {"connection": 0},
    }
    return Paced(peer=peer, scenario=scenario, round=round, **{**values, **other})


def memory(peer="envoy"):
    return Memory(peer, 1000, *(mebibytes * 2**20 for mebibytes in (60, 70, 80, 60, 70, 80)))


def record(**other):
    values = {
        "schema": 1,
        "date": "2026-11-21T03:00:00+00:00",
        "quick": False,
        "commit": Commit("0123456789abcdef", dirty=False),
        "machine": Machine("A Processor", 2, "6.1", "3.11.7", 0.1),
        "cache_step_s": (30e-9, 31e-9),
        "versions": {"envoy": "1.40.0"},
        "missing": (),
        "memory": (),
        "saturated": (),
        "paced": (),
    }
    return Record(**{**values, **other})
