"""The scenarios of trouble: their endpoints and callers on real sockets, their tables, and the report."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from loadtest.machine import Commit, Machine, free_ports, quiet_ports
from loadtest.policies.mesh import mesh_documents
from loadtest.record import Missing
from loadtest.record_file import load, save
from loadtest.resilience.client import Got, Load, Stream, call_all
from loadtest.resilience.endpoints import Behaviour, Place, serve
from loadtest.resilience.record import Outcome, ResilienceRecord
from loadtest.resilience.report import markdown
from loadtest.resilience.run import cases_of
from loadtest.resilience.scenarios import TROUBLES, Trouble
from tests.fakes.node import LIMIT_S

ONE_STREAM = Stream("a", 200.0)
ONE = Trouble(
    "one", "One endpoint", (Behaviour(0.01, slots=2),), (Stream("a", 9.0),), {"good": {}, "bad": {"noSuch": {}}}
)


@asynccontextmanager
async def endpoint(behaviour):
    """The port of an endpoint that behaves so."""
    (port,) = free_ports(1)
    serving = asyncio.create_task(serve([Place(port, behaviour)]))
    while True:
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        except OSError:
            await asyncio.sleep(0)
    yield port
    serving.cancel()
    for _ in range(20):  # both ends of the connections close
        await asyncio.sleep(0)


def got(behaviour, *streams, patience_s=LIMIT_S):
    """What callers get from such an endpoint in a tenth of a second."""

    async def called():
        async with endpoint(behaviour) as port:
            return await call_all(Load(port, "web.test.mesh", streams or (ONE_STREAM,), patience_s, 0.0, 0.1))

    return asyncio.run(called())


def test_every_request_of_a_stream_is_due_whatever_became_of_those_before():
    (answered,) = got(Behaviour(0.0))

    assert answered.statuses == {"200": 20}
    assert answered.offered == 20


def test_a_failing_endpoint_answers_with_its_status():
    (failed,) = got(Behaviour(0.0, status=503))

    assert failed.statuses == {"503": 20}


def test_a_response_after_the_callers_patience_is_late():
    (late,) = got(Behaviour(30.0), patience_s=0.05)

    assert late.statuses == {"-1": 20}
    assert late.p50_s == 0


def test_requests_beyond_an_endpoints_slots_wait_in_its_queue():
    (queued,) = got(Behaviour(30.0, slots=0), patience_s=0.05)

    assert queued.statuses == {"-1": 20}


def test_each_stream_has_its_own_result_and_address():
    one, other = got(Behaviour(0.0), Stream("a", 100.0, "127.0.0.2"), Stream("b", 50.0, "127.0.0.3"))

    assert (one.name, one.offered, other.name, other.offered) == ("a", 10, "b", 5)


def test_pooled_streams_have_one_result_and_one_may_begin_later():
    streams = (Stream("a", 100.0), Stream("b", 50.0, phase_s=0.01))

    async def called():
        async with endpoint(Behaviour(0.0)) as port:
            return await call_all(Load(port, "web.test.mesh", streams, LIMIT_S, 0.0, 0.1, pooled=True))

    (pooled,) = asyncio.run(called())

    assert (pooled.offered, pooled.statuses) == (15, {"200": 15})
    assert 0 < pooled.p50_s <= pooled.p99_s


def test_where_nothing_listens_every_request_fails():
    (port,) = quiet_ports(1)

    (failed,) = asyncio.run(call_all(Load(port, "web.test.mesh", (Stream("a", 100.0),), LIMIT_S, 0.0, 0.1)))

    assert failed.statuses == {"0": 10}


def test_a_table_that_this_version_does_not_accept_is_reported_and_left_out():
    cases, absent = cases_of([ONE])

    assert [(case.table, case.service, len(case.ports)) for case in cases] == [("good", "one-0", 1)]
    assert absent == (Missing("one, bad", "noSuch: no such policy"),)


def test_what_is_measured_today_is_accepted_or_names_what_is_missing():
    cases, absent = cases_of(TROUBLES)

    assert {case.trouble.name for case in cases} == {trouble.name for trouble in TROUBLES}
    assert len(cases) + len(absent) == sum(len(trouble.tables) for trouble in TROUBLES)
    assert len({port for case in cases for port in case.ports}) == sum(len(case.ports) for case in cases)
    assert all(each.reason for each in absent)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: each.name)
def test_the_titles_are_true(trouble):
    rate = sum(stream.rate for stream in trouble.streams)

    assert (rate > trouble.capacity_per_s) == (trouble.name in ("overload", "greedy-caller", "all-failing"))
    if trouble.name == "overload":
        assert rate == 3 * trouble.capacity_per_s
    if trouble.name == "greedy-caller":
        assert [stream.rate / trouble.capacity_per_s for stream in trouble.streams] == [2, 0.1]


def test_every_endpoint_has_a_slice_of_its_service():
    text = mesh_documents({"one": (81, 82)}, {"one": {}})

    assert text.count("kind: EndpointSlice") == 2
    assert "port: 81" in text and "port: 82" in text
    assert "data: {}" in text  # an empty table is no policy


def seen():
    greedy = Got("greedy", 100, {"200": 50, "503": 30, "-1": 20}, 0.01, 0.02, 0.03)
    polite = Got("polite", 10, {"0": 10}, 0.0, 0.0, 0.0)
    outcome = Outcome(TROUBLES[2].name, "plain", 5.0, (greedy, polite), 200, (300, 100))
    commit, machine = Commit("0123456789abcdef", dirty=False), Machine("A Processor", 2, "6.1", "3.11.7", 0.1)
    return ResilienceRecord(1, "2026-11-21T03:00:00+00:00", commit, machine, (outcome,), (Missing("x, y", "z"),))


def test_the_report_has_a_row_for_each_caller_and_the_load_of_the_endpoints():
    text = markdown(seen())

    assert "| plain: greedy | 50.0% | 10 | 30.0% 503 | 20.0% | 10 | 20 | 30 | 2.00 | 75 25 |\n" in text
    assert "| plain: polite | 0.0% | 0 | 100.0% no response |  | - | - | - |  |  |\n" in text
    assert "**Not measured:**\n\n- x, y: z\n" in text


def test_a_record_is_read_as_it_was_saved(tmp_path):
    save(seen(), tmp_path / "resilience.json")

    assert load(tmp_path / "resilience.json", ResilienceRecord) == seen()
