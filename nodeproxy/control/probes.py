"""Active health checks: one prober per endpoint and worker, for services with the policy `healthCheck`."""

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import trio

from nodeproxy.balance.health import Health, ProbeRecord, probed
from nodeproxy.control.connect_probe import connects
from nodeproxy.control.health_questions import question_of
from nodeproxy.control.probe_client import httpcore
from nodeproxy.io.capacity import PROBES_MOST, comes_of_shortage
from nodeproxy.policies.health_check import HealthCheckSettings

LOOK_EVERY_S = 0.2  # interval of looking for added and removed endpoints; a prober's first probe is jittered by more
BODY_BYTES = 64 * 1024  # read of a probe's response; after a larger one the connection is closed
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint to probe; `changed` is called when its health has changed, `count` with what that is counted as."""

    name: str
    host: bytes
    http2: bool
    """Whether its port speaks HTTP/2. A gRPC health check does in any case."""
    health: Health
    settings: HealthCheckSettings
    changed: Callable[[], None]
    count: Callable[[str], None]
    connects: bool = False
    """Whether a probe is a connection, and asks nothing."""
    first: bytes = b""
    """What such a connection begins with."""

    @property
    def enforced(self) -> bool:
        """Whether the results decide on the endpoint's use."""
        return self.settings.mode == "enforce"


class Probing:
    """What all probers of a worker share.

    PROBES_MOST probers keep their connection between probes. The others open one per probe, at most PROBES_MOST at
    a time. `shortages` counts probes that were not sent for lack of a descriptor.
    """

    def __init__(self, random: Callable[[], float], shortages: dict[str, int]) -> None:
        self.random = random
        self.shortages = shortages
        self.kept = trio.CapacityLimiter(PROBES_MOST)
        self.at_once = trio.CapacityLimiter(PROBES_MOST)


async def probe_all(targets: Callable[[], Iterable[Target]], probing: Probing) -> None:
    """Run one prober for each of `targets()`, forever. Targets are identified by their health object.

    An endpoint that is no longer probed is no longer down: no probe could find it up again.
    """
    running: dict[tuple[int, HealthCheckSettings, bool, bytes], tuple[Target, trio.CancelScope]] = {}
    async with trio.open_nursery() as nursery:
        while True:
            wanted = {(id(each.health), each.settings, each.connects, each.first): each for each in targets()}
            still_probed = {number for (number, *_), target in wanted.items() if target.enforced}
            for key in running.keys() - wanted.keys():
                target, scope = running.pop(key)
                scope.cancel()
                if target.health.probes_down and key[0] not in still_probed:
                    target.health.probes_down = False
                    target.changed()
            for key in wanted.keys() - running.keys():
                running[key] = (wanted[key], trio.CancelScope())
                nursery.start_soon(_probe, *running[key], probing)
            await trio.sleep(LOOK_EVERY_S)


async def _probe(target: Target, scope: trio.CancelScope, probing: Probing) -> None:
    try:
        probing.kept.acquire_on_behalf_of_nowait(scope)
    except trio.WouldBlock:
        with scope:
            await _probe_for_ever(target, probing, probing.at_once, kept=0)
        return
    try:
        with scope:
            await _probe_for_ever(target, probing, nullcontext(), kept=1)
    finally:
        probing.kept.release_on_behalf_of(scope)


async def _probe_for_ever(target: Target, probing: Probing, turn: AbstractAsyncContextManager[None], kept: int) -> None:
    settings, record, random = target.settings, ProbeRecord(), probing.random
    health = target.health if target.enforced else Health()
    http2 = target.http2 or settings.grpc is not None
    async with httpcore.AsyncConnectionPool(
        max_connections=1, max_keepalive_connections=kept, retries=0, http1=not http2, http2=http2
    ) as pool:
        await trio.sleep(random() * settings.interval_s)  # spreads the probes of nodes and endpoints over the interval
        while True:
            async with turn:
                if target.connects:
                    ok = await connects(target.name, target.first, settings.timeout_s)
                else:
                    ok = await _is_healthy(pool, target)
            await trio.lowlevel.checkpoint_if_cancelled()  # a result after the cancellation must not count
            if ok is None:
                probing.shortages["probe"] += 1  # no result for the endpoint
            elif probed(health, record, ok, settings.healthy_threshold, settings.unhealthy_threshold):
                log.info("health changed", extra={"endpoint": target.name, "healthy": ok, "mode": settings.mode})
                target.count("healthy" if ok else "unhealthy")
                target.changed()
            await trio.sleep(settings.interval_s * (0.9 + 0.2 * random()))


async def _is_healthy(pool: httpcore.AsyncConnectionPool, target: Target) -> bool | None:
    """Whether a probe succeeds; None if it could not be sent for lack of a descriptor."""
    question = question_of(target.settings)
    url = f"http://{target.name}{question.path}"
    fields = [(b"Host", target.host), (b"User-Agent", b"nodeproxy"), *question.fields]
    healthy: bool | None = False
    complete = False
    with trio.move_on_after(target.settings.timeout_s):
        try:
            async with pool.stream(question.method, url, headers=fields, content=question.content) as answer:
                good, body = question.by_status(answer.status), b""
                healthy = good and question.by_body(body)  # should no more of it come
                async for piece in answer.aiter_stream():  # to the end, so that the next probe can reuse the connection
                    body += piece
                    if len(body) > BODY_BYTES:
                        break
                else:
                    complete = True
                healthy = good and question.by_body(body)
        except httpcore.NetworkError as error:
            if comes_of_shortage(error):
                healthy = None
        except Exception:  # what an endpoint sends makes httpcore and h2 raise errors of any class
            complete = False
    if not complete:
        # httpcore resets no stream of HTTP/2: those that are left would use up what the endpoint allows, for ever. Nor
        # does it use or close a connection that was cancelled before its request.
        await pool.aclose()
    return healthy
