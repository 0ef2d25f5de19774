"""`split`: the requests of one service go to several, over real sockets."""

import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Put, Replace
from nodeproxy.policies.table import PolicyRefused, settings_of

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
CANARY = {"split": {"targets": [{"service": "web", "weight": 3}, {"service": "web-v2"}]}}


def service(name, *servers, policies=None, **fields):
    endpoints = tuple(Endpoint("127.0.0.1", server.port) for server in servers)
    return Service("shop", name, "", (Port(80, "http", "http", endpoints),), policies or {}, **fields)


async def answered_by(world, servers, times):
    """The index of the server that each of so many requests came to, or the status of the mesh's own answer."""
    seen = []
    client = await world.client()
    for _ in range(times):
        await client.send(GET)
        peer = None
        for _ in range(200):
            await world.reactor.rest()
            for index, server in enumerate(servers):
                peer = peer or server.waiting()
                if peer is not None:
                    await peer.head()
                    await peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                    seen.append(index)
                    break
            if peer is not None:
                break
        head = await client.head()
        if peer is None:
            seen.append(int(head[9:12]))
            client = await world.client()
    return seen


async def test_requests_go_to_each_in_exact_proportion(world):
    old, new = world.endpoint(), world.endpoint()
    world.install(Replace((service("web", old, policies=CANARY), service("web-v2", new))))

    seen = await answered_by(world, [old, new], 8)

    assert (seen.count(0), seen.count(1)) == (6, 2)


async def test_in_shadow_mode_all_requests_go_to_the_service_and_its_targets_are_counted(world):
    old, new = world.endpoint(), world.endpoint()
    shadow = {"split": {**CANARY["split"], "mode": "shadow"}}
    world.install(Replace((service("web", old, policies=shadow), service("web-v2", new))))

    seen = await answered_by(world, [old, new], 8)

    assert seen == [0] * 8
    assert world.live.table.at("shop/web", "80").stats.decisions == {
        ("split", "shop/web:80", "shadow"): 6,
        ("split", "shop/web-v2:80", "shadow"): 2,
    }


async def test_a_split_in_shadow_mode_may_name_a_service_that_is_not_there_yet(world):
    old = world.endpoint()
    shadow = {"split": {"targets": [{"service": "web-v9"}], "mode": "shadow"}}
    world.install(Replace((service("web", old, policies=shadow),)))

    assert await answered_by(world, [old], 2) == [0, 0]


async def test_each_target_is_counted(world):
    old, new = world.endpoint(), world.endpoint()
    world.install(Replace((service("web", old, policies=CANARY), service("web-v2", new))))

    await answered_by(world, [old, new], 4)

    assert world.live.table.at("shop/web", "80").stats.decisions == {
        ("split", "shop/web:80", "enforce"): 3,
        ("split", "shop/web-v2:80", "enforce"): 1,
    }


async def test_endpoints_of_a_target_change_without_the_service_that_is_split(world):
    old, new, newer = world.endpoint(), world.endpoint(), world.endpoint()
    world.install(Replace((service("web", old, policies=CANARY), service("web-v2", new))))
    handler = world.live.table.at("shop/web", "80").handler
    await answered_by(world, [old, new], 2)

    world.install(Put(service("web-v2", newer)))

    seen = await answered_by(world, [old, new, newer], 6)
    assert (seen.count(0), seen.count(1), seen.count(2)) == (5, 0, 1) or seen.count(2) == 2
    assert world.live.table.at("shop/web", "80").handler is handler


async def test_the_share_of_a_target_that_is_not_there_fails_and_goes_nowhere_else(world):
    old = world.endpoint()
    world.install(Replace((service("web", old, policies=CANARY), service("web-v2"))), Drop("shop/web-v2"))
    client = await world.client()

    for _ in range(4):
        await client.send(GET)
        await world.settle()
        peer = old.waiting()
        if peer is None:
            answer = await client.head()
            break
        await peer.head()
        await peer.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await client.head()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"shop/web-v2:80: the policy split names it, and it is not in the mesh" in await client.until(b")\n")


async def test_a_target_is_subscribed_to_when_its_share_comes(world):
    old, new = world.endpoint(), world.endpoint()
    asleep = Service("shop", "web-v2", "", (Port(80),), unsubscribed=True)
    only_new = {"split": {"targets": [{"service": "web-v2"}]}}
    world.install(Replace((service("web", old, policies=only_new), asleep), on_demand=True))
    client = await world.client()
    await client.send(GET)
    await world.settle()

    assert "shop/web-v2" in world.live.subscriptions
    world.install(Put(service("web-v2", new)))
    peer = await new.accept()
    assert (await peer.head()).startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ([], r"^split\.targets: the list should have at least 1 item, not 0, got \[\]$"),
        ([{"service": "a", "weight": 0}], "at least one target needs a weight above 0"),
        (
            [{"service": "A.b"}],
            r"^split\.targets\[0\]\.service: expected a name of lower-case letters, digits and dashes, got 'A\.b'$",
        ),
        ([{"service": "a", "port": 0}], r"^split\.targets\[0\]\.port: expected at least 1, got 0$"),
    ],
)
def test_what_cannot_be_a_split_is_refused(targets, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"split": {"targets": targets}})
