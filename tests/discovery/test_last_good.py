"""The last good state on disk: served while the source is missing, and without effect on a running one."""

import os
import time

import anyio
import pytest

from discovery.workers.last_good import MODE, TOUCH_AFTER, LastGood
from discovery.workers.publish import Clock, Publisher
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Replace, line

pytestmark = pytest.mark.anyio

WEB, SHOP = Service("shop", "web", "127.77.0.1"), Service("shop", "shop", "127.77.0.2")


class Rounds:
    """Lets `run` do this many rounds, then cancels it."""

    def __init__(self, rounds):
        self.left = rounds

    async def sleep(self, _seconds):
        if not self.left:
            raise anyio.get_cancelled_exc_class()
        self.left -= 1
        await anyio.lowlevel.checkpoint()


async def written(path, *notes, rounds=1):
    """A file after these notes and this many rounds."""
    last_good = LastGood(path, Rounds(rounds).sleep)
    for services, in_sync in notes:
        last_good.note(services, in_sync=in_sync)
    with pytest.raises(anyio.get_cancelled_exc_class()):
        await last_good.run()
    return last_good


def loaded(path):
    return LastGood(path, anyio.sleep).load()


async def test_ports_keep_their_transport_also_from_a_file_that_does_not_name_it(tmp_path):
    ports = Port(53, "tcp", "tcp"), Port(53, "dns", "udp", transport="udp"), Port(3868, "d", "sctp", transport="sctp")
    dns = Service("kube-system", "kube-dns", "127.77.0.9", ports)
    path = tmp_path / "state"

    await written(path, ((dns,), True))
    assert loaded(path).services == (dns,)

    path.write_bytes(path.read_bytes().replace(b',"transport":"udp"', b""))
    assert loaded(path).services == (dns,)


async def test_what_was_confirmed_is_there_after_a_restart(tmp_path):
    path = tmp_path / "new" / "state"

    await written(path, ((WEB,), True), ((WEB, SHOP), True), (None, True))

    assert loaded(path).services == (WEB, SHOP)
    assert path.stat().st_mode & 0o777 == MODE
    assert [entry.name for entry in path.parent.iterdir()] == ["state"]


async def test_what_the_source_does_not_confirm_waits_until_it_does(tmp_path):
    path = tmp_path / "state"

    await written(path, ((WEB,), False))
    assert loaded(path) is None

    await written(path, ((WEB,), False), (None, True))
    assert loaded(path).services == (WEB,)


async def test_its_age_is_that_of_the_last_confirmation(tmp_path):
    path = tmp_path / "state"
    await written(path, ((WEB,), True))
    os.utime(path, (time.time() - 3600,) * 2)
    assert 3600 <= loaded(path).age_s < 3700

    await written(path, (None, True), rounds=TOUCH_AFTER)

    assert loaded(path).age_s < 60


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"type":"fresh"}\n', b'{"type":"replace"}'])
async def test_a_file_that_cannot_be_used_is_as_none(tmp_path, content):
    (tmp_path / "state").write_bytes(content)

    assert loaded(tmp_path / "state") is None


async def test_a_disk_that_refuses_costs_nothing_but_the_file(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")

    last_good = await written(blocked / "state", ((WEB,), True), rounds=3)

    blocked.unlink()
    last_good._sleep = Rounds(1).sleep
    with pytest.raises(anyio.get_cancelled_exc_class()):
        await last_good.run()
    assert loaded(blocked / "state").services == (WEB,)


async def test_workers_have_it_with_its_age_until_the_source_is_in_sync():
    clock = [100.0]
    publisher = Publisher(Clock(now=lambda: clock[0]))
    publisher.restore(Replace((WEB,), age_s=50.0))
    clock[0] += 5

    publisher.publish({SHOP.key: SHOP}, in_sync=False)
    assert publisher._everything() == Replace((WEB,), age_s=55.0)

    publisher.publish({}, in_sync=True)
    assert publisher._everything() == Replace((SHOP,))
    assert b"age_s" not in line(publisher._everything())
