"""Redis through a whole node: clients that push, wait and send thousands of commands at once."""

import threading

import pytest
import redis

from nodeproxy.protocol.redis.names import NAMES
from tests.fakes.bare_mesh import bare_mesh
from tests.fakes.bare_services import Served
from tests.fakes.node import LIMIT_S, until
from tests.fakes.redis import Redis

PORT = 6379
MANY = 10_000


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis") / "mesh"
    with bare_mesh(folder, counted="redis: {commandMetrics: true}") as mesh, Redis() as server:
        served = Served(PORT, server.port, "redis")
        mesh.address, mesh.counted = mesh.serve("cache", served), mesh.serve("counted", served)
        yield mesh


def client(address):
    return redis.Redis(address, PORT, socket_timeout=LIMIT_S, protocol=3)


def test_thousands_of_commands_at_once_are_answered_in_order(mesh):
    with client(mesh.address) as cache:
        pipeline = cache.pipeline(transaction=False)
        for number in range(MANY // 2):
            pipeline.set(f"key-{number}", number).get(f"key-{number}")
        answers = pipeline.execute()

    assert answers[1::2] == [b"%d" % number for number in range(MANY // 2)]


def test_large_values_arrive_whole(mesh):
    value = bytes(range(256)) * (1 << 16)  # 16 MiB
    with client(mesh.address) as cache:
        cache.set("large", value)

        assert cache.get("large") == value


def test_a_message_reaches_its_subscribers_and_an_item_the_client_that_waits(mesh):
    taken = []
    with client(mesh.address) as one, client(mesh.address) as two, client(mesh.address) as waiting:
        thread = threading.Thread(target=lambda: taken.append(waiting.blpop(["queue"], LIMIT_S)))
        with one.pubsub() as subscriber:
            subscriber.subscribe("news")
            subscribed = subscriber.get_message(timeout=LIMIT_S)
            thread.start()
            until(lambda: two.info("clients")["blocked_clients"] == 1, "the client to wait")
            receivers = two.publish("news", "hello")
            message = subscriber.get_message(timeout=LIMIT_S)
            two.rpush("queue", "item")
            thread.join()

    assert (subscribed["type"], receivers, message["data"]) == ("subscribe", 1, b"hello")
    assert taken == [[b"queue", b"item"]]


def test_commands_are_counted_where_a_policy_asks_for_it(mesh):
    with client(mesh.counted) as cache, client(mesh.address) as uncounted:
        pipeline = cache.pipeline(transaction=False)
        for number in range(MANY // 2):
            pipeline.set("key", number)
            pipeline.execute_command("gEt", "key")
        pipeline.execute()
        cache.set("large", bytes(1 << 20))
        with pytest.raises(redis.ResponseError):
            cache.execute_command("FT.SEARCH", "index", "*")
        uncounted.get("key")

    def count(command, service="counted"):
        return mesh.sample("nodeproxy_redis_commands_total", service=service, command=command)

    until(lambda: count("other") == 1, "the commands to be reported")
    assert (count("set"), count("get")) == (MANY // 2 + 1, MANY // 2)
    assert count("get", "cache") is None


def test_every_command_of_the_server_has_a_name_in_metrics(mesh):
    with client(mesh.address) as cache:
        names = {name.partition(b"|")[0] for name in cache.command_list()}

    assert b"get" in names <= NAMES.keys()
