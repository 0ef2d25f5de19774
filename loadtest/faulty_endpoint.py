"""What balancing does about one faulty endpoint of five: `python -m loadtest.faulty_endpoint`.

One process: clients, a worker's hot lane, endpoints, all over real sockets and in real time. Requests come at a fixed
rate, whether or not earlier ones have been answered. The endpoint is sound for SOUND_S, and then has its fault; the
LEARNING_S after that are counted apart.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Replace
from tests.fakes.world import Peer, ScriptedEndpoint, World

PER_SECOND, SECONDS, SOUND_S, LEARNING_S = 200, 14.0, 2.0, 2.0
SETTLED_S = SOUND_S + LEARNING_S
USUAL_S, SLOW_S = 0.005, 0.3  # what a sound endpoint takes, and a slow one
POLL_S = 0.0005  # how long the reactor waits for events: the precision of the endpoints' times
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
ERROR = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"

POLICIES: Mapping[str, dict[str, Any]] = {
    "LEAST_REQUEST": {},
    "ROUND_ROBIN": {"loadBalancer": {"simple": "ROUND_ROBIN"}},
    "outlierDetection": {"outlierDetection": {}},
    "PEAK_EWMA": {"loadBalancer": {"simple": "PEAK_EWMA"}},
    "shedding": {"loadBalancer": {"shedding": {}}},
    "all three": {"loadBalancer": {"simple": "PEAK_EWMA", "shedding": {}}, "outlierDetection": {}},
}
FAULTS: Mapping[str, tuple[bytes, float]] = {
    "slow, 300 ms": (OK, SLOW_S),
    "503 after 300 ms": (ERROR, SLOW_S),
    "503 at once": (ERROR, 0.0),
    "429 at once": (REFUSAL, 0.0),
}


@dataclass(slots=True)
class Run:
    """One policy and one fault: when each request began, what it took, its status; requests of the faulty endpoint."""

    answer: bytes
    taking_s: float
    world: World
    done: list[tuple[float, float, int]] = field(default_factory=list)
    faulty: list[float] = field(default_factory=list)
    free: list[Peer] = field(default_factory=list)
    started: float = 0.0

    async def drive(self, policies: dict[str, Any]) -> None:
        """Send all requests, and wait for their responses."""
        reactor, servers = self.world.reactor, [self.world.endpoint() for _ in range(5)]
        endpoints = tuple(Endpoint("127.0.0.1", server.port) for server in servers)
        port = Port(80, "http", "http", endpoints)
        self.world.install(Replace((Service("shop", "web", "", (port,), policies),)))
        for number, server in enumerate(servers):
            reactor.spawn(self._serve(server, number == 0))
        self.started, sent = reactor.clock(), 0
        while sent < PER_SECOND * SECONDS:
            while sent < (reactor.clock() - self.started) * PER_SECOND:
                reactor.spawn(self._ask())
                sent += 1
            await reactor.sleep(0.001)
        while len(self.done) < sent:
            await reactor.sleep(0.01)

    async def _ask(self) -> None:
        began = self.world.reactor.clock()
        client = self.free.pop() if self.free else await self.world.client()
        await client.send(GET)
        head = await client.head()
        self.done.append((began - self.started, self.world.reactor.clock() - began, int(head[9:12])))
        if b"Content-Length: 0" in head or b"204" in head:
            self.free.append(client)

    async def _serve(self, server: ScriptedEndpoint, faulty: bool) -> None:
        while True:
            peer = await self._accepted(server)
            self.world.reactor.spawn(self._answer(peer, faulty))

    async def _accepted(self, server: ScriptedEndpoint) -> Peer:
        while (peer := server.waiting()) is None:
            await self.world.reactor.sleep(0.001)
        return peer

    async def _answer(self, peer: Peer, faulty: bool) -> None:
        while await peer.channel.recv():
            passed_s = self.world.reactor.clock() - self.started
            if faulty:
                self.faulty.append(passed_s)
            answer, taking_s = (self.answer, self.taking_s) if faulty and passed_s >= SOUND_S else (OK, USUAL_S)
            if taking_s:
                await self.world.reactor.sleep(taking_s)
            await peer.send(answer)

    def row(self) -> str:
        """The numbers of this run."""
        settled = sorted(took_s for at, took_s, _ in self.done if at >= SETTLED_S)
        bad = sum(status != 204 for at, _, status in self.done if at >= SETTLED_S)
        early = sum(SOUND_S <= at < SETTLED_S for at in self.faulty) / (PER_SECOND * LEARNING_S)
        late = sum(at >= SETTLED_S for at in self.faulty) / len(settled)
        p50, p99 = (settled[int(len(settled) * part)] * 1000 for part in (0.5, 0.99))
        return f"{p50:7.1f} {p99:8.1f} {bad / len(settled):9.2%} {early:10.1%} {late:8.1%}"


def main() -> None:
    """Print a table."""
    print(f"{'fault':18} {'policy':17} {'p50 ms':>7} {'p99 ms':>8} {'failed':>9} {'share, 2 s':>10} {'later':>8}")
    for fault, (answer, taking_s) in FAULTS.items():
        for name, policies in POLICIES.items():
            with World(time.monotonic) as world:
                run = Run(answer, taking_s, world)
                driving = world.reactor.spawn(run.drive(policies))
                while not driving.ended:
                    world.reactor.turn(POLL_S)
                world.expected_bugs = len(world.bugs)  # endpoints' tasks that the end of the world has cut off
                print(f"{fault:18} {name:17} {run.row()}", flush=True)


if __name__ == "__main__":
    main()
