"""Keeps the leases of this node's workers: reads what they use from the shared memory, claims more from the servers.

A server that does not answer ends the leases on its limits; workers then use the share of this node or refuse, as the
policy says. No request ever waits for a server.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from discovery.cluster_limits.claims import Account, Claim
from discovery.cluster_limits.server import Grant, LimitServer, ServerGone
from discovery.cluster_limits.wanted import ClusterLimit, limits_of
from discovery.log import log_event
from nodeproxy.limits.buckets import Bucket, Buckets
from nodeproxy.limits.leases import FORGOTTEN_S, Lease
from nodeproxy.limits.memory import hashed
from nodeproxy.mesh.model import Service

ROUND_S = 0.02  # between two looks at what workers use
LOOK_S = 50e-6  # and for each limit: a look takes 2 us, so that looking takes a twentieth of a core at most
GREET_S = 0.5  # between two exchanges with a server while no limit is used
HOLD_S = 1.5  # a lease that is not renewed ends: this process has ended, and its successor is not there yet
RETRY_S = 0.5  # after a server has not answered


@dataclass(slots=True)
class Held:
    """One limit, its lease and what the workers count while there is no lease."""

    account: Account
    lease: Lease
    share: Bucket
    placed: bool = True
    paid: float = 0.0
    """Of what `share` has counted, what the server had counted too, at `paid_at`."""
    paid_at: float = 0.0


class Keeper:
    """The limits that one server keeps."""

    def __init__(self, url: str, server: LimitServer, buckets: Buckets, now: Callable[[], float]) -> None:
        self.up: bool | None = None
        """Whether the server answers; None before the first exchange."""
        self.limits: dict[str, Held] = {}
        self._url = url
        self._server = server
        self._buckets = buckets
        self._now = now
        self._nodes = 1.0
        self._next_greeting = 0.0

    def put(self, limit: ClusterLimit) -> None:
        """Lease this limit from now on, in the place of the one that the port had."""
        lease = Lease(limit.port)
        share = Bucket("global", lease.region, hashed(limit.port, "global"), limit.rate, limit.burst)
        held = self.limits[limit.port] = Held(Account(limit), lease, share)
        now, before = self._now(), self._buckets.leases.read(lease)
        if now - before.until < FORGOTTEN_S:  # of an earlier control process: it has paid for nearly all
            self._nodes = max(self._nodes, before.nodes)
            held.paid, held.paid_at = self._level(held, now), now
        self._next_greeting = 0.0

    def drop(self, port: str) -> None:
        """Lease this port's limit no longer."""
        self._buckets.leases.end(self.limits.pop(port).lease)

    async def round(self) -> float:
        """Look at all leases once, and talk to the server if there is a reason; returns seconds to the next round."""
        now = self._now()
        claims = [(held, claim) for held in self.limits.values() if (claim := self._claim(held, now)) is not None]
        if claims or now >= self._next_greeting:
            try:
                nodes, grants = await self._server.exchange([claim for _, claim in claims])
            except ServerGone as error:
                self._gone(error)
                return RETRY_S
            self._answered(claims, nodes, grants)
        return ROUND_S + LOOK_S * len(self.limits)

    async def close(self) -> None:
        """Close the connection to the server."""
        await self._server.close()

    def _claim(self, held: Held, now: float) -> Claim | None:
        claim = held.account.claim(self._buckets.leases.read(held.lease), now)
        if self.up:
            return claim
        level = self._level(held, now)
        owed = max(0.0, level - max(0.0, held.paid - (now - held.paid_at) * held.share.rate))
        return Claim(held.account.limit, 0.0 if claim is None else claim.tokens, owed) if claim or owed else None

    def _level(self, held: Held, now: float) -> float:
        """What the workers have taken of this node's share, which has not drained."""
        limit, share = held.account.limit, held.share
        share.rate, share.burst = limit.rate / self._nodes, max(1.0, limit.burst / self._nodes)
        return share.burst - self._buckets.left(share, now)

    def _answered(self, claims: list[tuple[Held, Claim]], nodes: float, grants: list[Grant]) -> None:
        now = self._now()
        granted = {}
        for (held, claim), grant in zip(claims, grants, strict=True):
            held.account.granted(claim, grant.tokens, grant.users, now)
            granted[claim.limit.port] = grant.tokens
        all_due = now >= self._next_greeting or not self.up
        if not self.up:
            log_event("limit server answers", server=self._url, nodes=int(nodes))
        self.up, self._nodes = True, max(1.0, nodes)
        for port, held in self.limits.items():  # those that were dropped during the exchange are not among them
            if all_due or port in granted:
                self._renew(held, granted.get(port, 0.0), now)
        if all_due:
            self._next_greeting = now + GREET_S

    def _renew(self, held: Held, tokens: float, now: float) -> None:
        credit = held.account.credit(self._nodes)
        placed = self._buckets.leases.renew(held.lease, tokens, credit, now + HOLD_S, self._nodes)
        if held.placed and not placed:
            log_event("no room for a lease: the limit counts per node", logging.ERROR, port=held.account.limit.port)
        held.placed = placed

    def _gone(self, error: ServerGone) -> None:
        if self.up is not False:
            log_event("limit server does not answer", logging.WARNING, server=self._url, reason=error)
        now = self._now()
        for held in self.limits.values():
            if self.up is not False:
                held.paid, held.paid_at = self._level(held, now), now
            self._buckets.leases.suspend(held.lease)
        self.up = False


class ClusterLimits:
    """All limits of the cluster that the services in force have. `connect` makes the client for a server's URL."""

    def __init__(
        self,
        buckets: Buckets,
        connect: Callable[[str], LimitServer],
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._buckets = buckets
        self._connect = connect
        self._now = now
        self._sleep = sleep
        self._keepers: dict[str, Keeper] = {}
        self._ports: dict[str, dict[str, ClusterLimit]] = {}
        self._tasks: TaskGroup | None = None

    @property
    def up(self) -> dict[str, bool]:
        """Whether each server in use answers, by its URL."""
        return {url: keeper.up is True for url, keeper in self._keepers.items()}

    def follow(self, differences: Mapping[str, Service | None]) -> None:
        """Lease what the services that have changed ask for, and no longer what those that are gone did."""
        for key, service in differences.items():
            before = self._ports.pop(key, {})
            after = {limit.port: limit for limit in limits_of(service)} if service is not None else {}
            if after:
                self._ports[key] = after
            for port, limit in before.items():
                if port not in after or after[port].server != limit.server:
                    self._drop(limit)
            for port, limit in after.items():
                if before.get(port) != limit:
                    self._keeper(limit.server).put(limit)

    async def run(self) -> None:
        """Keep all leases, until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            for url, keeper in self._keepers.items():
                self._tasks.start_soon(self._keep, url, keeper)
            await anyio.sleep_forever()

    def _keeper(self, url: str) -> Keeper:
        if url not in self._keepers:
            keeper = self._keepers[url] = Keeper(url, self._connect(url), self._buckets, self._now)
            if self._tasks is not None:
                self._tasks.start_soon(self._keep, url, keeper)
        return self._keepers[url]

    def _drop(self, limit: ClusterLimit) -> None:
        keeper = self._keepers[limit.server]
        keeper.drop(limit.port)
        if not keeper.limits:
            del self._keepers[limit.server]

    async def _keep(self, url: str, keeper: Keeper) -> None:
        while self._keepers.get(url) is keeper:
            await self._sleep(await keeper.round())
        await keeper.close()
