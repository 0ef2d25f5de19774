"""Virtual addresses that cannot be listened at: for want of room, of a descriptor, or because another has them."""

import pytest

from nodeproxy.downstream.unserved import Unserved
from nodeproxy.downstream.virtual_listeners import RETRY_S
from nodeproxy.io.capacity import Capacity
from nodeproxy.mesh.wire import Drop
from tests.downstream.test_virtual_listeners import SHOP, WEB, Street
from tests.fakes.descriptors import none_left

FEW = Capacity(files=0, connections_most=1000)  # 16 listeners
ADDRESSES = [f"127.77.8.{number}" for number in range(1, FEW.listeners_most + 3)]


@pytest.fixture
def street(world):
    street = Street(world, FEW)
    yield street
    street.virtual.close()
    street.kept.close()


def services(street, addresses):
    return [street.service(f"s{number}", address) for number, address in enumerate(addresses)]


async def served(street):
    return [address for address in ADDRESSES if await street.is_served(address)]


async def test_listeners_take_no_more_than_their_share_and_each_that_is_missing_is_told(world, street, caplog):
    street.follow(*services(street, ADDRESSES))

    assert len(await served(street)) == FEW.listeners_most
    assert street.virtual.unserved == 2
    assert [record.message for record in caplog.records] == ["virtual address not served"] * 2
    assert all("limit of 0 open files leaves no room" in record.error for record in caplog.records)


async def test_a_listener_that_closes_leaves_its_room_to_an_address_that_waited(world, street, caplog):
    every = services(street, ADDRESSES)
    street.follow(*every)
    gone = (await served(street))[0]
    (leaving,) = [service for service in every if service.virtual_address == gone]

    world.live.install(Drop(leaving.key))
    street.virtual.follow(leaving.key)

    assert len(await served(street)) == FEW.listeners_most
    assert street.virtual.unserved == 1 and gone not in await served(street)
    assert len(caplog.records) == 2


async def test_an_address_that_waited_and_is_not_wanted_any_more_is_forgotten(world, street):
    every = services(street, ADDRESSES)
    street.follow(*every)
    there = await served(street)

    street.follow(*[service for service in every if service.virtual_address in there])

    assert street.virtual.unserved == 0


async def test_what_listeners_take_is_not_there_for_clients(world):
    street = Street(world, Capacity(files=1000, connections_most=1000))

    street.follow(street.service("web", WEB), street.service("shop", SHOP))
    most = world.connections.most
    street.follow()

    assert most == Capacity(1000, 1000).clients_most(2) < Capacity(1000, 1000).clients_most(0)
    street.virtual.close()
    street.kept.close()


async def test_an_address_without_a_descriptor_is_told_and_tried_again_though_nothing_changes(world, street, caplog):
    with none_left():
        street.follow(street.service("web", WEB))
    assert street.virtual.unserved == 1 and len(caplog.records) == 1
    assert world.stats.shortages["listener"] == 1

    world.advance(RETRY_S)
    await world.settle(3)

    assert await street.is_served(WEB)
    assert street.virtual.unserved == 0


async def test_an_address_that_stays_taken_is_tried_again_and_told_once(world, street, caplog):
    street.take(WEB)
    street.follow(street.service("web", WEB))

    for _ in range(3):
        world.advance(RETRY_S)
        await world.settle(3)

    assert street.virtual.unserved == 1 and len(caplog.records) == 1


def test_an_address_is_missed_by_one_service():
    unserved = Unserved()
    unserved.put((WEB, 80), "shop/a")
    unserved.put((WEB, 80), "shop/b")
    unserved.put((SHOP, 80), "shop/a")

    unserved.keep("shop/a", {(SHOP, 80)})

    assert unserved.owners() == ["shop/b", "shop/a"] and unserved.owners(1) == ["shop/b"]
    assert len(unserved) == 2 and (WEB, 80) in unserved
