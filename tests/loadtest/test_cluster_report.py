"""The tables of the cluster benchmark, from a record."""

from loadtest.cluster.churn import Churn
from loadtest.cluster.record import ClusterRecord, Outage, Weight, markdown
from loadtest.report import with_table
from tests.loadtest.bench_records import record

MIB = 2**20


def cluster_record(**parts):
    """A record with a row of each kind."""
    bench = record()
    usual = {
        "date": "2026-01-02T03:04:05+00:00",
        "commit": bench.commit,
        "machine": bench.machine,
        "kubernetes": "v1.34.1",
        "weights": (Weight(10_000, True, 90 * MIB, 30 * MIB, 50 * MIB, 22),),
        "churns": (Churn(True, 10_000, 1000, 10.0, (0.010,) * 99 + (0.5,), 400, {"503 no": 2}, 0.2, 0.1, 0.05),),
        "outages": (Outage("killed", 300, {}, 1.25),),
    }
    return ClusterRecord(**{**usual, **parts})


def test_each_measurement_is_a_row():
    text = markdown(cluster_record())

    assert "| 10,000 | 20 services, on demand | 90.0 | 30.0 | 50.0 | 22 |" in text
    assert "| 10,000 | 20 services, on demand | 100 | 10 | 15 | 2 of 400 | 20 | 10 |" in text
    assert "| killed | 0 of 300 | 1.25 |" in text
    assert "Kubernetes v1.34.1" in text


def test_what_was_not_measured_has_no_table():
    text = markdown(cluster_record(weights=(), churns=(), outages=()))

    assert "|" not in text and text.startswith("2026-01-02")


def test_each_table_has_its_own_markers():
    readme = "<!-- bench:begin -->\na\n<!-- bench:end -->\n<!-- cluster:begin -->\nb\n<!-- cluster:end -->\n"

    assert with_table(readme, "new", "cluster").count("new") == 1
    assert "<!-- bench:begin -->\na\n" in with_table(readme, "new", "cluster")
