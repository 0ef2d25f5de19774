"""The policy that has the commands to a Redis server counted."""

from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Put, Replace

PING = b"*1\r\n$4\r\nPING\r\n"


def cache(policies):
    return Service("shop", "cache", ports=(Port(6379, "redis", "tcp"),), policies=policies)


def test_nothing_is_counted_unless_it_is_asked_for(world):
    for policies in ({}, {"redis": {}}, {"redis": {"commandMetrics": False}}):
        world.install(Replace((cache(policies),)))

        assert "redis" not in world.live.table.at("shop/cache", "6379").states


def test_all_connections_of_a_port_count_together_and_go_on_through_updates(world):
    world.install(Replace((cache({"redis": {"commandMetrics": True}}),)))
    route = world.live.table.at("shop/cache", "6379")
    one, two = route.states["redis"].begin(), route.states["redis"].begin()

    one.feed(PING)
    world.install(Put(cache({"redis": {"commandMetrics": True, "mode": "shadow"}})))
    two.feed(PING)
    world.live.table.at("shop/cache", "6379").states["redis"].begin().feed(PING + PING)

    assert world.live.table.at("shop/cache", "6379").stats.redis_commands == {"ping": 4}


def test_a_client_that_speaks_something_else_is_a_decision(world):
    world.install(Replace((cache({"redis": {"commandMetrics": True}}),)))
    route = world.live.table.at("shop/cache", "6379")

    route.states["redis"].begin().feed(b"\x16\x03\x01")

    assert route.stats.decisions == {("redis", "unreadable", "enforce"): 1}
