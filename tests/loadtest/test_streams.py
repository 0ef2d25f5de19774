"""HTTP/2 and gRPC: what h2load reports, what is run, and the tables."""

import pytest

from loadtest.errors import BenchmarkError
from loadtest.machine import Commit, Machine
from loadtest.procstat import Cpu
from loadtest.record import Missing
from loadtest.report import markdown, summary
from loadtest.scenarios import EVERY, STREAMED, UNARY
from loadtest.soak import FLOOD, Soak, SoakRecord, faults
from loadtest.soak import markdown as soak_markdown
from loadtest.streams import h2load, parse_h2load
from loadtest.summary import cost
from loadtest.toolbox import Toolbox
from tests.loadtest.bench_records import record, saturated

REPORT = """\
finished in 2.00s, 82807.00 req/s, 10.35MB/s
requests: 165614 total, 165646 started, 165614 done, 165604 succeeded, 10 failed, 3 errored, 2 timeout
status codes: 165604 2xx, 1 3xx, 2 4xx, 4 5xx
traffic: 20.69MB (21695688) total, 7.74MB (8115135) headers (space savings 50.51%), 10.11MB (10599296) data
                     min         max         mean         sd        +/- sd
time for request:       22us      4.82ms       370us       165us    86.03%
"""


def test_what_h2load_reports_is_read():
    seen = parse_h2load(REPORT, 2)

    assert (seen.requests, seen.received_bytes, seen.duration_s) == (165614, 21695688, 2)
    assert seen.errors == {"failed": 10, "errored": 3, "timeout": 2, "status": 7}
    assert seen.p50_s is None


def test_a_run_without_an_answer_is_an_error_with_the_counts():
    silent = REPORT.replace("165614 done", "0 done")

    with pytest.raises(BenchmarkError, match=r"no request over HTTP/2 is answered.* 165646 started, 0 done"):
        parse_h2load(silent, 2)


def test_a_report_of_another_shape_is_an_error():
    with pytest.raises(BenchmarkError, match=r"does not report what it counted:\nh2load: usage"):
        parse_h2load("h2load: usage\n", 2)


@pytest.mark.parametrize("scenario", STREAMED, ids=lambda each: each.name)
def test_the_command_has_what_the_name_of_the_scenario_says(scenario, tmp_path):
    program = tmp_path / "h2load"
    program.touch(mode=0o755)

    command = h2load(Toolbox(tmp_path, tmp_path), 8080, scenario, 2)

    clients, streams = scenario.name.rpartition("-")[2].split("x")
    assert command[0] == str(program)
    assert {f"--clients={clients}", f"--max-concurrent-streams={streams}"} < set(command)
    assert f"--header=:authority: {scenario.host}" in command
    assert sum(word.startswith("--header=") for word in command) == 12
    assert command[-1] == "http://127.0.0.1:8080/small"


def test_every_scenario_has_a_name_of_its_own():
    assert len({scenario.name for scenario in EVERY}) == len(EVERY)


def measured():
    runs = [
        saturated(peer, scenario.name, cpu=cpu, p50_s=None, p99_s=None)
        for peer, cpu in (("nodeproxy", Cpu(0.1, 0.05)), ("envoy", Cpu(0.2, 0.1)))
        for scenario in STREAMED
    ]
    runs += [saturated("nginx", STREAMED[2].name), saturated("no proxy", STREAMED[0].name, cpu=Cpu())]
    return record(saturated=(*runs, saturated("envoy", UNARY.name)))


def test_a_generator_without_quantiles_leaves_none():
    seen = cost(measured(), STREAMED[0], "envoy")

    assert seen is not None
    assert (seen.p50_s, seen.p99_s) == (None, None)


def test_the_short_table_has_each_proxy_with_its_goal():
    lines = summary(measured()).splitlines()

    assert "| nodeproxy | 15.0 | 15.0 | 15.0 | 15.0 | - | 1.00 | - |" in lines
    assert "| envoy | 30.0 | 30.0 | 30.0 | 30.0 | 30.0 | 0.50 | 0.70 |" in lines
    assert "| nginx | - | - | 30.0 | - | - | 0.50 | - |" in lines
    assert not any(line.startswith("| no proxy") for line in lines)


def test_a_run_of_http2_alone_has_no_table_of_http1():
    assert "new connections" not in summary(measured())


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    tables = [part.splitlines() for part in markdown(measured()).split("\n\n") if part.startswith("|")]

    assert len(tables) == 6  # the short one, four of HTTP/2, gRPC
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


def soaked(errors):
    soak = Soak("nodeproxy", 60, 600_000, errors, *(mebibytes * 2**20 for mebibytes in (30, 50, 52, 31)))
    commit, machine = Commit("0123456789abcdef", dirty=False), Machine("A Processor", 2, "6.1", "3.11.7", 0.1)
    return SoakRecord("2026-11-21T03:00:00+00:00", commit, machine, (Missing("envoy", "gone"),), (soak,))


def test_a_soak_is_a_line_of_rate_errors_and_memory():
    text = soak_markdown(soaked({"failed": 0}))

    assert "| nodeproxy | 10,000 | 0 | 30.0 | 50.0 | 52.0 | 31.0 |\n" in text
    assert "**Not measured: envoy** (gone)" in text
    assert f"{FLOOD.connections} connections with {FLOOD.streams} streams each" in text


def test_an_error_in_a_soak_is_a_fault():
    assert faults(soaked({"failed": 0, "timeout": 0})) == ()
    assert faults(soaked({"failed": 3, "timeout": 0})) == ("nodeproxy: 600000 requests, but 3 x failed",)
