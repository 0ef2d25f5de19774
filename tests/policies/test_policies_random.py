"""Policies that count requests under way, together, under whatever may happen, from seeds: all of them recover."""

import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from tests.upstream.test_connection_limits_random import GET, OK, STEPS, Scene


class Chain(Scene):
    """A service with many policies that change, and another one in its place when it fails."""

    def __init__(self, world, seed):
        self.states = set()
        super().__init__(world, seed)

    def install(self):
        chance = self.random
        policies = {
            "retries": {"attempts": chance.choice([0, 2]), "retryOn": ["connect-failure", "reset", "5xx"]},
            "timeouts": {"responseHead": chance.choice(["2s", "15s"]), "connect": "1s"},
            "circuitBreaker": {
                "minimumRequests": chance.randint(1, 3),
                "openDuration": "0.5s",
                "maxOpenDuration": "2s",
                "halfOpenRequests": chance.randint(1, 2),
                "slowRatio": 0.9,
                "slowerThan": "1s",
                "mode": chance.choice(["enforce", "enforce", "shadow"]),
            },
            "adaptiveConcurrency": {
                "minConcurrency": chance.randint(1, 3),
                "maxConcurrency": 5,
                "mode": chance.choice(["enforce", "enforce", "shadow"]),
            },
            "maxRequestBody": {"limit": chance.choice([0, 2, 1000])},
            "maxResponseHeaders": {"limit": 256},
            "rateLimit": {"requestsPerSecond": 100, "burst": 50},
            "fault": {"delay": {"fixedDelay": "0.1s", "percentage": 20}},
            "mirrors": {"targets": [{"service": "other", "percentage": 30}], "timeout": "1s", "maxInFlight": 3},
            "connectionPool": {"maxConnections": chance.randint(1, 4)},
            "fallback": {
                "on": ["5xx", "circuit-open", "overloaded", "timeout", "reset", "bad-response"],
                **chance.choice([{"service": {"name": "other", "timeout": "1s"}}, {"response": {"body": "instead"}}]),
            },
        }
        for name in list(policies):
            if chance.random() < 0.2:
                del policies[name]
        self.serve(chance.sample(self.endpoints[:2], chance.choice([1, 2, 2])), policies)

    def serve(self, endpoints, policies):
        services = {"web": (endpoints, policies), "other": (self.endpoints[2:], {})}
        self.world.live.install(
            Replace(
                tuple(
                    Service(
                        "shop",
                        name,
                        "",
                        (Port(80, "http", "http", tuple(Endpoint("127.0.0.1", each.port) for each in endpoints)),),
                        policies,
                    )
                    for name, (endpoints, policies) in services.items()
                )
            )
        )
        self.look()

    def look(self):
        super().look()
        self.states.update(state for name, state in self.world.route.states.items() if name == "adaptiveConcurrency")


@pytest.mark.parametrize("seed", range(40))
async def test_all_policies_recover_from_whatever_happened(world, seed):
    scene = Chain(world, seed)
    for _ in range(STEPS):
        await scene.step()
    for client in scene.clients:
        if not client.channel.closed:
            client.reset()
    for server in scene.servers:
        server.close()
    await world.settle()

    world.advance(2)
    await world.settle()

    assert not world.connections.open
    assert world.plane.background.active == 0
    endpoints = [each for name in ("web", "other") for each in world.clusters.get(f"shop/{name}:80").endpoints]
    assert all(each.active == 0 for each in endpoints)
    assert all(gradient.in_flight == 0 for gradient in scene.states)
    assert all(pool.count == pool.idle_count for pool in scene.known)

    scene.servers, scene.clients = [], []
    for _ in range(10):  # a circuit that is still open tries once, and closes
        world.advance(5)
        client = await world.client()
        world.reactor.spawn(scene.read(client))
        await client.send(GET)
        for _ in range(5):
            await world.settle(5)
            scene.accept(closing=0)
            for server in [each for each in scene.servers if each.received and not each.channel.closed]:
                server.received = b""
                await server.send(OK)
    assert client.received.startswith(b"HTTP/1.1 200 OK") and b"x-mesh" not in client.received
