"""Probes of a real server over loopback: health follows what it answers, and probing follows the table."""

import pytest
import trio

from nodeproxy.control import probes
from nodeproxy.control.probes import Probing, probe_all
from nodeproxy.io.capacity import PROBES_MOST
from nodeproxy.telemetry.stats import SHORTAGES
from tests.fakes.descriptors import none_left
from tests.fakes.probing import BUSY, OK, PATIENCE_S, Probed, Server, Table

pytestmark = pytest.mark.trio


@pytest.fixture(autouse=True)
def _look_often(monkeypatch):
    monkeypatch.setattr(probes, "LOOK_EVERY_S", 0.02)


def probing():
    return Probing(lambda: 0.0, dict.fromkeys(SHORTAGES, 0))


@pytest.fixture
async def server(nursery):
    server = Server()
    await nursery.start(server.run)
    return server


async def test_health_follows_the_answers(server, nursery):
    one = Probed(server.name)
    nursery.start_soon(probe_all, Table(one.target), probing())
    await server.asked(2)
    assert one.nothing_changed() and not one.health.probes_down

    server.answer = BUSY
    assert await one.change() == "down"
    server.answer = OK

    assert await one.change() == "up"


async def test_a_probe_asks_for_the_path_in_the_services_name(server, nursery):
    one = Probed(server.name, path="/ready?deep=1")
    nursery.start_soon(probe_all, Table(one.target), probing())

    await server.asked(1)

    assert server.heads[0].startswith(b"GET /ready?deep=1 HTTP/1.1\r\n")
    assert b"Host: web.shop.mesh\r\n" in server.heads[0] and b"User-Agent: nodeproxy\r\n" in server.heads[0]


async def test_in_shadow_mode_probes_are_counted_and_nothing_is_taken_out_of_use(server, nursery):
    server.answer = BUSY
    one = Probed(server.name, mode="shadow")
    nursery.start_soon(probe_all, Table(one.target), probing())

    await one.change()
    server.answer = OK
    await one.change()

    assert one.counted == ["unhealthy", "healthy"]
    assert not one.health.probes_down


async def test_an_endpoint_found_down_is_used_again_once_the_policy_is_in_shadow_mode(server, nursery):
    server.answer = BUSY
    one = Probed(server.name)
    table = Table(one.target)
    nursery.start_soon(probe_all, table, probing())
    assert await one.change() == "down"

    table.targets = [one.asking(server.name, mode="shadow")]
    await table.looked(2)

    assert not one.health.probes_down


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"HTTP/1.1 599 Own\r\n\r\n",
        b"HTTP/1.1 200",
    ],
)
async def test_what_is_no_good_answer_is_a_failure(server, nursery, answer):
    server.answer = answer
    one = Probed(server.name)

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.0 399 Own\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"],
)
async def test_a_status_below_400_is_a_success_whatever_its_body(server, nursery, answer):
    server.answer = answer
    one = Probed(server.name)
    one.health.probes_down = True

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "up"


async def test_an_endpoint_that_keeps_silent_or_refuses_is_unhealthy(server, nursery):
    server.answer = None
    free = trio.socket.socket()
    await free.bind(("127.0.0.1", 0))  # bound and not listening: connects are refused
    silent = Probed(server.name, timeout="50ms")
    refusing = Probed(f"127.0.0.1:{free.getsockname()[1]}")

    nursery.start_soon(probe_all, Table(silent.target, refusing.target), probing())

    assert (await silent.change(), await refusing.change()) == ("down", "down")
    free.close()


async def test_thresholds_are_the_services(server, nursery):
    server.answer = BUSY
    one = Probed(server.name, unhealthyThreshold=3)

    nursery.start_soon(probe_all, Table(one.target), probing())

    assert await one.change() == "down"
    assert len(server.heads) == 3


async def test_nobody_is_probed_who_left(server, nursery):
    table = Table(Probed(server.name).target)
    nursery.start_soon(probe_all, table, probing())
    await server.asked(1)

    table.targets.clear()
    await table.looked(2)
    before = len(server.heads)
    await table.looked(10)  # two intervals

    assert len(server.heads) == before


async def test_who_comes_later_is_probed_too(server, nursery):
    table, one = Table(), Probed(server.name)
    nursery.start_soon(probe_all, table, probing())
    await table.looked(2)
    assert not server.heads

    table.targets.append(one.target)

    await server.asked(1)


async def test_changed_settings_count_at_once_and_a_down_endpoint_stays_down(server, nursery):
    server.answer = BUSY
    one = Probed(server.name, path="/old")
    table = Table(one.target)
    nursery.start_soon(probe_all, table, probing())
    assert await one.change() == "down"

    table.targets[:] = [one.asking(server.name, path="/new")]
    await table.looked(2)
    del server.heads[:]
    await server.asked(2)

    assert all(b"GET /new " in head for head in server.heads)
    assert one.health.probes_down and one.nothing_changed()


async def test_an_endpoint_that_is_not_probed_any_more_is_not_down_for_ever(server, nursery):
    server.answer = BUSY
    one = Probed(server.name)
    table = Table(one.target)
    nursery.start_soon(probe_all, table, probing())
    assert await one.change() == "down"

    table.targets.clear()

    assert await one.change() == "up"


async def test_changes_are_told_in_the_log(server, nursery, caplog):
    caplog.set_level("INFO", "nodeproxy")
    server.answer = BUSY
    one = Probed(server.name)
    nursery.start_soon(probe_all, Table(one.target), probing())

    await one.change()

    (record,) = caplog.records
    assert (record.message, record.endpoint, record.healthy) == ("health changed", server.name, False)


async def test_a_probe_without_a_descriptor_says_nothing_of_the_endpoint(server, nursery):
    one, shared = Probed(server.name), probing()
    table = Table(one.target)

    with none_left():
        nursery.start_soon(probe_all, table, shared)
        with trio.fail_after(PATIENCE_S):
            while shared.shortages["probe"] < 2:
                await table.looked(1)
    assert one.nothing_changed() and not one.health.probes_down

    await server.asked(1)


async def test_more_endpoints_than_connections_may_be_kept_are_probed_all_the_same(server, nursery):
    every = [Probed(server.name) for _ in range(PROBES_MOST + 2)]
    for one in every:
        one.health.probes_down = True
    shared = probing()

    nursery.start_soon(probe_all, Table(*[one.target for one in every]), shared)

    assert [await one.change() for one in every] == ["up"] * len(every)
    assert shared.kept.available_tokens == 0
