"""Maintains the mesh's part in the cluster's DNS: writes it, writes it again if overwritten, removes it on uninstall.

An uninstall is the deletion of the keeper's own namespace or Deployment. There is no finalizer: a failing keeper must
not block an uninstall; a part left behind only answers mesh names with an error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import anyio

from discovery.cluster_dns.objects import Api, Place, Seen, config_map, forbidden, owners, read, texts, write
from discovery.cluster_dns.plan import NAMESPACE, STYLES, Change, Plan, Style, names_read, not_to_have, to_have
from discovery.cluster_dns.texts import Upstream
from discovery.log import ProblemLog, log_event
from discovery.problem import Problem
from discovery.sources.cluster.errors import ApiError, Conflict, Forbidden, NotFound, Unauthorized
from discovery.sources.cluster.watch import Watch, World

REST_S = 0.5  # after a write, doubled after each further one: two writers that overwrite each other must not storm
REST_MAX_S = 30.0
STEADY_S = 60.0  # after this time without a write or failure, the pause starts at REST_S again
TRIES = 5  # of a change that conflicts each time


@dataclass(frozen=True, slots=True)
class Task:
    """The DNS configuration to maintain, and the keeper's own namespace and Deployment."""

    style: Style | Literal["auto"]
    upstream: Upstream
    namespace: str
    deployment: str


class Keeper:
    """Follows the ConfigMaps and the keeper's own owners. Failures are logged and retried."""

    def __init__(self, api: Api, task: Task, world: World) -> None:
        self._api = api
        self._task = task
        self._world = world
        self._woken = anyio.Event()
        self._leaving = anyio.Event()
        self._maps = {name: Seen(config_map(name), self._wake, world.now) for name in names_read(task.style)}
        self._owners = [Seen(place, self._wake, world.now) for place in owners(task.namespace, task.deployment)]
        self._log = ProblemLog()
        self._style: Style | None = None
        self._left = False
        self._rest_s = REST_S
        self._restless_at = -STEADY_S

    async def run(self) -> None:
        """Runs until cancelled."""
        async with anyio.create_task_group() as group:
            for seen in (*self._owners, *self._maps.values()):
                group.start_soon(Watch(seen.place.resource, self._api, seen, self._world).run)
            while True:
                await self._woken.wait()
                self._woken = anyio.Event()
                if await self._step():
                    await self._rest()

    async def leave(self) -> None:
        """Removes the mesh's part if the keeper's owners are being deleted: to be called when the keeper ends.

        Raises:
            ApiError: the owners cannot be read, or the part cannot be removed.
        """
        if self._left:  # the permissions may already be deleted
            return
        for seen in self._owners:
            seen.take(await read(self._api, seen.place))
        if self._is_leaving:
            await remove(self._api, self._task.upstream, names_read(self._task.style))

    @property
    def _is_leaving(self) -> bool:
        return any(seen.ending for seen in self._owners)

    def _wake(self) -> None:
        self._woken.set()
        if self._is_leaving and not self._leaving.is_set():
            log_event("uninstalled", owner=next(seen.place.subject for seen in self._owners if seen.ending))
            self._leaving.set()

    async def _step(self) -> bool:
        """Writes pending changes; returns whether there were any."""
        plan = self._plan()
        failed = await self._carry_out(plan.changes)
        self._left = self._leaving.is_set() and not plan.changes and not plan.problems
        watching = (seen.problem() for seen in (*self._owners, *self._maps.values()))
        unowned = (_unowned(seen.place) for seen in self._owners if seen.known and not seen.object and not seen.ending)
        self._log.show((*filter(None, watching), *unowned, *plan.problems, *failed))
        return bool(plan.changes)

    def _plan(self) -> Plan:
        maps = {name: texts(seen.object) for name, seen in self._maps.items()}
        if self._leaving.is_set():
            return not_to_have(maps, self._task.upstream)
        if not all(seen.known for seen in self._maps.values()):
            return Plan()
        plan = to_have(maps, self._task.style, self._task.upstream)
        if plan.style != self._style:
            self._style = plan.style
            log_event("keeping", style=plan.style, upstream=self._task.upstream.address)
        return plan

    async def _carry_out(self, changes: Iterable[Change]) -> list[Problem]:
        failed = []
        for change in changes:
            seen = self._maps[change.name]
            version = seen.object.metadata.resource_version if seen.object else ""
            try:
                await write(self._api, change, version)
                _report(change, "removed" if self._leaving.is_set() else "written")
            except (Conflict, NotFound):
                pass  # the watch reports the current version
            except ApiError as error:
                if isinstance(error, Unauthorized):
                    await self._api.reload_token()
                failed.append(_not_written(error, seen.place))
                self._woken.set()
        return failed

    async def _rest(self) -> None:
        """Waits, longer after each write in a row; an uninstall ends the wait."""
        now = self._world.now()
        if now - self._restless_at >= STEADY_S:
            self._rest_s = REST_S
        rest_s, self._rest_s = self._rest_s, min(self._rest_s * 2, REST_MAX_S)
        if self._leaving.is_set():
            await self._world.sleep(rest_s)
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(self._nap, rest_s, group.cancel_scope)
                await self._leaving.wait()
                group.cancel_scope.cancel()
        self._restless_at = self._world.now()

    async def _nap(self, rest_s: float, scope: anyio.CancelScope) -> None:
        await self._world.sleep(rest_s)
        scope.cancel()


async def remove(api: Api, upstream: Upstream, names: Iterable[str] = STYLES) -> Plan:
    """Removes the mesh's part from the ConfigMaps of these names; returns the changes made.

    Raises:
        Conflict: each try collided with another writer.
        ApiError: one cannot be read or written.
    """
    left = TRIES
    while True:
        try:
            return await _remove_once(api, upstream, names)
        except Conflict:
            left -= 1
            if not left:
                raise


async def _remove_once(api: Api, upstream: Upstream, names: Iterable[str]) -> Plan:
    found = {name: await read(api, config_map(name)) for name in names}
    plan = not_to_have({name: texts(each) for name, each in found.items()}, upstream)
    for change in plan.changes:
        current = found[change.name]
        await write(api, change, current.metadata.resource_version if current else "")
        _report(change, "removed")
    return plan


def _report(change: Change, event: str) -> None:
    log_event(event, map=f"{NAMESPACE}/{change.name}", keys=", ".join(change.data))


def _unowned(place: Place) -> Problem:
    text = "there is none, so an uninstall will not be noticed: set --namespace and --deployment to what runs this"
    return Problem(text, subject=place.subject, severity="warning")


def _not_written(error: ApiError, place: Place) -> Problem:
    if isinstance(error, Forbidden):
        return forbidden(error, place)
    return Problem(f"not written, tried again: {error}", subject=place.subject)
