"""The report of a worker's own numbers, read from a data plane that serves."""

from nodeproxy.mesh.reports import Introduction
from nodeproxy.mesh.wire import Replace
from nodeproxy.wiring.process_report import process_report, report_sources

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"


async def test_a_report_has_the_counters_and_the_state_of_the_worker(world):
    server = world.endpoint()
    world.serve(server)
    client = await world.client()
    await client.send(GET)
    await server.accept()
    world.plane.refused()

    report = process_report(world.plane, listeners_missing=2)

    assert (report.counters.accepted, report.counters.updates_rejected) == (1, 1)
    assert (report.state.connections, report.state.listeners_missing) == (1, 2)
    assert report.state.connections_limit == world.connections.most


def test_the_age_of_the_table_counts_from_the_last_confirmation(world):
    before = process_report(world.plane, 0).state.table_age_s
    world.install(Replace((), age_s=5.0))
    world.advance(3.0)

    report = process_report(world.plane, 0)

    assert before is None and report.state.table_age_s == 8.0
    assert report.counters.updates == 1


def test_the_sources_follow_the_table_and_the_listeners(world):
    missing = [0]
    sources = report_sources(world.plane, Introduction(0, 1), lambda: missing[0])
    world.serve(world.endpoint())
    missing[0] = 3

    assert list(sources.services()) == ["shop/web"]
    assert [numbers.key.service for numbers in sources.ports("shop/web")] == ["web"]
    assert sources.process().state.listeners_missing == 3
