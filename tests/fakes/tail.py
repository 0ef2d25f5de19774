"""Requests at a fixed rate to five endpoints, in simulated time: what they take, to the half millisecond."""

import random

STEP_S, RATE_S, TURNS = 0.0005, 0.0025, 12  # a simulated step, between two requests, and turns in which a step settles
USUAL_S, SLOW_S = (0.004, 0.008), (0.5, 0.5)
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Tail:
    """Five endpoints with these policies; responses of the first take `first_s`, from the least to the most."""

    def __init__(self, world, policies, first_s=USUAL_S):
        self.world, self.random = world, random.Random(5)
        self.latencies, self.at_first, self._free = [], 0, []
        self._endpoints = {world.endpoint(): first_s if number == 0 else USUAL_S for number in range(5)}
        self._first = next(iter(self._endpoints))
        world.serve(*self._endpoints, policies=policies)

    async def p99_s(self, warmup, measured):
        """The 99th percentile of `measured` requests that follow `warmup` others."""
        reactor, steps = self.world.reactor, round(RATE_S / STEP_S)
        for _ in range(warmup + measured):
            reactor.spawn(self._ask())
            for _ in range(steps):
                await self._step()
        while len(self.latencies) < warmup + measured:
            await self._step()
        asked = sorted(took_s for _, took_s in sorted(self.latencies)[warmup:])
        return asked[int(0.99 * measured)]

    async def _step(self):
        for _ in range(TURNS):
            await self.world.reactor.rest()
            for endpoint, taking_s in self._endpoints.items():
                while (peer := endpoint.waiting()) is not None:
                    self.world.reactor.spawn(self._answer(peer, taking_s, endpoint is self._first))
        self.world.advance(STEP_S)

    async def _ask(self):
        began = self.world.clock.now
        client = self._free.pop() if self._free else await self.world.client()
        await client.send(GET)
        assert (await client.head()).startswith(b"HTTP/1.1 204")
        self.latencies.append((began, self.world.clock.now - began))
        self._free.append(client)

    async def _answer(self, peer, taking_s, first):
        while await peer.channel.recv():
            self.at_first += first
            await self.world.reactor.sleep(self.random.uniform(*taking_s))
            await peer.send(OK)
