"""A source that wraps another and adds EndpointSlices for its ExternalName services.

Each name is resolved again when its TTL ends. If that fails, the last good addresses stay in force: an outage of DNS
must not stop the services. Consumers see an ExternalName as a service with EndpointSlices like all others.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from anyio.abc import TaskGroup

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.objects import subject_of
from discovery.kubernetes.services import Service
from discovery.problem import Origin, Problem
from discovery.sources.external.slices import FAMILIES, Address, is_external, ref_of_slice, slices_for
from discovery.sources.source import Batch, Change, Followed, Selected, Source, Unfollowed, Unselected
from nodeproxy.mesh.wire import Snapshot

TTL_LEAST_S = 1.0  # 0 is common and means "do not cache"; a second is nearly as good
TTL_MOST_S = 300.0  # a TTL of days is more often a mistake than intended
LOOKUPS_MOST = 16  # at once, each with its own socket; some clusters have hundreds of such services
LOOKUPS_OF_NAMESPACE = 4  # unanswered names of one namespace must not block the others
RETRY_S = 5.0  # after a failure, doubled for each in a row
RETRY_MOST_S = 60.0
FIRST_ANSWERS_S = 2.0  # the first table waits this long for its names to be resolved


class Found(NamedTuple):
    """The addresses of a name, and their TTL in seconds."""

    addresses: tuple[Address, ...]
    ttl_s: float


class Server(NamedTuple):
    """A DNS server."""

    address: str
    port: int


class NotFound(Exception):
    """A name cannot be resolved; the text is the reason, equal for equal reasons."""


Lookup = Callable[[str], Awaitable[Found]]
"""The addresses of a DNS name. Raises NotFound."""


@dataclass(slots=True)
class Alias:
    """One ExternalName service, and the last good addresses of its name."""

    service: Service
    origin: Origin
    addresses: tuple[Address, ...] = ()
    refused: str = ""
    failed: str = ""
    answered: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def name(self) -> str:
        """The external name."""
        return (self.service.spec.external_name or "").lower()

    def problems(self) -> Iterator[Problem]:
        """Why addresses of its name are not used."""
        stays = "; the last good addresses stay in force" if self.addresses else ""
        for message in filter(None, (self.refused, self.failed + stays if self.failed else "")):
            subject = subject_of("Service", self.service.key)
            yield Problem(f"{self.name}: {message}", self.origin, subject, ("spec", "externalName"))


class ExternalNames:
    """Passes on the batches of `source` with the slices of its ExternalName services.

    `refusal` returns why an address may not be called, or "". With `on_demand` only names of services that are followed
    are resolved, and one counts as followed once its name has been looked up.
    """

    def __init__(
        self,
        source: Source,
        lookup: Lookup,
        refusal: Callable[[Address], str],
        sleep: Callable[[float], Awaitable[None]],
        *,
        on_demand: bool = False,
    ) -> None:
        self._source = source
        self._lookup = lookup
        self._refusal = refusal
        self._sleep = sleep
        self._on_demand = on_demand
        self._at_once = anyio.Semaphore(LOOKUPS_MOST)
        self._of_namespace = defaultdict[str, anyio.Semaphore](lambda: anyio.Semaphore(LOOKUPS_OF_NAMESPACE))
        self._group: TaskGroup
        self._take: Callable[[Batch], None]
        self._last = Batch(in_sync=False)
        self._held: list[Change] = []
        self._snapshots: tuple[Snapshot, ...] = ()
        self._waits = False
        self._begun = False
        """Whether the first whole mesh has been passed on, or its wait has ended."""
        self._services: dict[str, PutObject] = {}
        self._followed: set[str] = set()
        self._aliases: dict[str, Alias] = {}

    async def run(self, take: Callable[[Batch], None]) -> None:
        """Runs until cancelled."""
        self._take = take
        async with anyio.create_task_group() as self._group:
            await self._source.run(self._pass_on)

    def _pass_on(self, batch: Batch) -> None:
        self._held += [change for each in batch.changes for change in self._seen(each)]
        self._last, self._snapshots = batch, batch.snapshots
        self._feed()

    def _feed(self) -> None:
        """Passes on changes; the first whole mesh only after its names have been looked up."""
        if self._last.in_sync and not self._begun:
            if self._unanswered():
                if not self._waits:
                    self._waits = True
                    self._group.start_soon(self._stop_waiting)
                return
            self._begun = True
        batch = Batch(tuple(self._held), self._problems(), self._last.in_sync, self._snapshots)
        self._held, self._snapshots = [], ()
        self._take(batch)

    def _unanswered(self) -> bool:
        return any(not alias.answered for alias in self._aliases.values())

    async def _stop_waiting(self) -> None:
        await self._sleep(FIRST_ANSWERS_S)
        if not self._begun:
            self._begun = True
            self._feed()

    def _seen(self, change: Change) -> Iterator[Change]:
        """The changes that one change of the source results in."""
        if isinstance(change, Selected | Unselected):
            yield change
            return
        if isinstance(change, Followed):
            self._followed.add(change.key)
            yield from self._settle(change.key)
            if change.key not in self._aliases:
                yield change
            return
        yield change
        if isinstance(change, Unfollowed):
            self._followed.discard(change.key)
            yield from self._settle(change.key)
        elif change.ref.kind == "Service":
            key = f"{change.ref.namespace}/{change.ref.name}"
            self._services.pop(key, None)
            if isinstance(change, PutObject) and isinstance(change.object, Service) and is_external(change.object):
                self._services[key] = change
            yield from self._settle(key)

    def _settle(self, key: str) -> Iterator[Change]:
        """Starts and ends resolving as needed; returns the changed slices."""
        put, alias = self._services.get(key), self._aliases.get(key)
        if put is None or (self._on_demand and key not in self._followed):
            if alias is not None:
                yield from self._end(key)
                if key in self._followed and not alias.answered:
                    yield Followed(key)  # it was delayed for an answer that is not needed any more
            return
        assert isinstance(put.object, Service)
        if alias is not None and alias.name == (put.object.spec.external_name or "").lower():
            alias.service, alias.origin = put.object, put.origin
            yield from self._slices(alias)
            return
        if alias is not None:
            yield from self._end(key)
        alias = self._aliases[key] = Alias(put.object, put.origin)
        self._group.start_soon(self._follow, key, alias)

    def _end(self, key: str) -> Iterator[Change]:
        self._aliases.pop(key).scope.cancel()
        for family in FAMILIES.values():
            yield DeleteObject(ref_of_slice(key, family))

    async def _follow(self, key: str, alias: Alias) -> None:
        """Resolves one name whenever its TTL has ended, until its scope is cancelled."""
        with alias.scope:
            failures = 0
            while True:
                try:
                    async with self._of_namespace[alias.service.metadata.namespace or ""], self._at_once:
                        found = await self._lookup(alias.name)
                except NotFound as error:
                    alias.failed, failures = str(error), failures + 1
                    wait_s = min(RETRY_S * 2.0 ** min(failures - 1, 10), RETRY_MOST_S)
                else:
                    self._judge(alias, found.addresses)
                    failures, wait_s = 0, min(max(found.ttl_s, TTL_LEAST_S), TTL_MOST_S)
                if self._aliases.get(key) is not alias:
                    return  # ended during the look-up
                self._report(key, alias)
                await self._sleep(wait_s)

    def _judge(self, alias: Alias, addresses: Iterable[Address]) -> None:
        """Puts the allowed addresses in force; if none is allowed, the last good ones stay."""
        refusals = {address: self._refusal(address) for address in addresses}
        good = tuple(address for address, why in refusals.items() if not why)
        bad = [f"{address} is not called: {why}" for address, why in refusals.items() if why]
        alias.failed, alias.refused = "", "; ".join(bad)
        alias.addresses = good or alias.addresses

    def _report(self, key: str, alias: Alias) -> None:
        self._held += self._slices(alias)
        if self._on_demand and not alias.answered:
            self._held.append(Followed(key))
        alias.answered = True
        self._feed()

    def _slices(self, alias: Alias) -> list[Change]:
        return [PutObject(ref, each) for ref, each in slices_for(alias.service, alias.addresses).items()]

    def _problems(self) -> tuple[Problem, ...]:
        own = (problem for _, alias in sorted(self._aliases.items()) for problem in alias.problems())
        return (*self._last.problems, *own)
