"""How fresh the table is, and what its processes use, on the page of a node."""

import os

import anyio
import pytest

from discovery.observe.metrics import NodeMetrics
from discovery.observe.usage import usage_of
from discovery.observe.view import Source, View
from discovery.sources.cluster.errors import Unreachable
from discovery.sources.cluster.part import Part
from discovery.sources.cluster.watch import Resource, World
from discovery.workers.publish import Clock, Publisher
from discovery.workers.reports import Reports
from nodeproxy.mesh.build import Build
from nodeproxy.mesh.reports import Introduction
from nodeproxy.mesh.wire import WatchCounts, Watches
from tests.discovery.test_watch import SERVICES, A, B, ScriptedApi, bookmark, page
from tests.fakes.reports import process


@pytest.mark.anyio
async def test_lists_and_errors_are_counted_by_kind_whichever_watch_they_are_of():
    counts = {}
    world = World(lambda _: anyio.lowlevel.checkpoint(), lambda: 0.0, lambda: 0.5)
    answers = (Unreachable("down"), page("1", A), [bookmark("2")], Unreachable("down"), [])
    api = ScriptedApi(*answers)

    parts = [Part(SERVICES, api, world, lambda: None, counts)]
    parts.append(Part(Resource("Pod", "/pods", SERVICES.type), ScriptedApi(page("1", B), []), world, print, counts))
    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(part.run)
        with anyio.fail_after(60):
            await api.over.wait()
        group.cancel_scope.cancel()

    assert counts["Service"] == WatchCounts("Service", 1, 2)
    assert counts["Pod"].lists == 1


def test_time_out_of_sync_counts_from_the_last_moment_in_sync():
    now = [100.0]
    publisher = Publisher(Clock(now=lambda: now[0]))

    at_start = publisher.out_of_sync_s
    now[0] = 103.0
    before = publisher.out_of_sync_s
    publisher.publish({}, in_sync=True)
    now[0] = 110.0
    while_in_sync = publisher.out_of_sync_s
    publisher.publish({}, in_sync=False)
    now[0] = 112.0
    publisher.publish({}, in_sync=False)
    after = publisher.out_of_sync_s

    assert (at_start, before, while_in_sync, after) == (0.0, 3.0, 0.0, 2.0)


def test_the_counts_of_watches_are_those_last_published():
    publisher = Publisher()
    before = publisher.watch_counts

    publisher.publish_snapshot(Watches((), (WatchCounts("Service", 2, 1),)))

    assert before == ()
    assert publisher.watch_counts == (WatchCounts("Service", 2, 1),)


def test_the_page_has_them():
    source = Source(2.5, 5000, 4950, (WatchCounts("Service", 2, 1),))

    page_text = (
        NodeMetrics().text(View(Reports().numbers(), source=source, build=Build("1.2", "3.13.1", "compiled"))).decode()
    )

    for line in (
        "nodeproxy_source_out_of_sync_seconds 2.5",
        "nodeproxy_services 5000.0",
        "nodeproxy_services_unsubscribed 4950.0",
        'nodeproxy_watch_lists_total{kind="Service"} 2.0',
        'nodeproxy_watch_errors_total{kind="Service"} 1.0',
        'nodeproxy_build_info{lane="compiled",python="3.13.1",version="1.2"} 1.0',
    ):
        assert f"\n{line}\n" in page_text


def test_a_replaced_worker_is_a_restart():
    reports = Reports(now=lambda: 0.0)

    for connection, pid in (("a", 10), ("b", 10), ("c", 11)):
        reports.note(connection, Introduction(0, pid))

    assert reports.numbers().restarts == 1


def test_the_processes_of_a_node_are_measured():
    reports = Reports(now=lambda: 0.0)
    reports.note("a", Introduction(0, os.getppid()))
    reports.note("a", process(open_files=17))
    reports.note("b", Introduction(1, 2**22 + 1))  # beyond the highest pid there can be: it has just ended
    reports.note("b", process(open_files=5))

    control, worker, gone = usage_of(reports.numbers().workers)

    assert (control.process, worker.process, worker.open_files) == ("control", "worker-0", 17)
    assert control.cpu_s > 0 and control.resident_bytes > 1_000_000 and control.open_files > 3
    assert worker.started_at <= control.started_at
    assert gone == ("worker-1", None, None, 5, None)
