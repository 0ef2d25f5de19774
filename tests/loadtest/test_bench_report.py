from loadtest.goals import goals_table
from loadtest.procstat import Cpu
from loadtest.record import Missing, Record, faults
from loadtest.record_file import load, save
from loadtest.report import markdown, picture, publish, summary, summary_table, with_table
from tests.loadtest.bench_records import memory, paced, record, saturated


def both():
    nodeproxy = saturated("nodeproxy", cpu=Cpu(0.1, 0.05), all_cpu=Cpu(0.11, 0.07))
    return record(
        saturated=(nodeproxy, saturated("envoy", cpu=Cpu(0.2, 0.1))), paced=(paced("nodeproxy"), paced("envoy"))
    )


def test_a_record_survives_its_file(tmp_path):
    seen = record(saturated=(saturated(),), paced=(paced(),), memory=(memory(),), missing=(Missing("nginx", "gone"),))

    save(seen, tmp_path / "results" / "latest.json")

    assert load(tmp_path / "results" / "latest.json", Record) == seen


def test_the_short_table_compares_with_envoy():
    lines = summary_table(both()).splitlines()

    assert "| nodeproxy | - | 15.0 | 0.50 | - | - | 0.50 | - |" in lines
    assert "| envoy | - | 30.0 | 1.00 | - | - | 0.50 | - |" in lines


def test_nodeproxy_has_a_second_line_with_all_its_processes():
    lines = summary_table(both()).splitlines()

    assert "| … with supervisor and discovery | - | 18.0 | 0.60 | - | - | - | - |" in lines


def test_every_row_has_as_many_cells_as_its_head():
    runs = tuple(
        saturated(peer, scenario)
        for peer in ("nodeproxy", "envoy")
        for scenario in ("twelve-fields", "fresh", "bodies")
    )
    text = markdown(
        record(saturated=(*runs, saturated("no proxy", "bodies", cpu=Cpu())), memory=(memory("nodeproxy"),))
    )

    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]

    assert len(tables) == 5
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def test_a_missing_peer_is_named():
    text = markdown(record(missing=(Missing("traefik", "not installed"),)))

    assert "**Not measured: traefik** (not installed)" in text


def test_only_what_stands_between_the_markers_is_replaced():
    text = "before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n"

    assert with_table(text, r"new \1") == "before\n<!-- bench:begin -->\nnew \\1\n<!-- bench:end -->\nafter\n"


def test_a_readme_without_markers_is_left_as_it_is(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing to see")

    assert publish(summary(both()), (readme,)) == (readme,)
    assert readme.read_text() == "nothing to see"


def test_the_picture_shows_no_cpu_for_no_proxy():
    seen = record(saturated=(saturated("envoy"), saturated("no proxy", cpu=Cpu())))

    assert [row[0] for row in picture(seen)["cpu"]] == ["envoy"]


def test_a_bad_answer_is_a_fault_told_in_a_sentence():
    good, bad = saturated(), paced("nginx", round=2, errors={"status": 3, "connection": 0})

    assert faults(record(saturated=(good,), paced=(bad,))) == (
        "nginx, twelve-fields, round 2: 5000 requests, but 3 x status",
    )


def test_each_goal_stands_beside_what_was_measured_and_nothing_else():
    runs = (saturated("nodeproxy", cpu=Cpu(0.1, 0.05)), saturated("haproxy", cpu=Cpu(0.05, 0.05)))

    lines = goals_table(record(saturated=runs, paced=(paced("nodeproxy"), paced("haproxy")))).splitlines()[2:]

    title = "Small answers, kept connections, 12 header fields"
    assert lines == [
        f"| {title} | nodeproxy / haproxy | 1.50 | 1.60 |",
        "| p99 at 5,000/s | nodeproxy - haproxy | +0.00 ms | +0.2 ms |",
    ]
    assert goals_table(record()) == ""
