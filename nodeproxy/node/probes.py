"""Active health checks: one prober per endpoint and worker, while a service's table asks for them."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import httpcore
import trio

from nodeproxy.mesh.health import Health, ProbeRecord, probed
from nodeproxy.policies.health_check import HealthCheckSettings

LOOK_EVERY_S = 0.2  # for endpoints that came or went; a prober's first probe is jittered by more than that
BODY_BYTES = 64 * 1024  # read of a probe's answer; one with more costs a connection
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint to probe, and whom to tell when its health has changed."""

    name: str
    host: bytes
    health: Health
    settings: HealthCheckSettings
    changed: Callable[[], None]


async def probe_all(targets: Callable[[], Iterable[Target]], random: Callable[[], float]) -> None:
    """Keep one prober running for each of `targets()`, for ever; the identity of its health tells them apart.

    What nobody probes any more is not down: nobody would find it up again.
    """
    running: dict[tuple[int, HealthCheckSettings], tuple[Target, trio.CancelScope]] = {}
    async with trio.open_nursery() as nursery:
        while True:
            wanted = {(id(target.health), target.settings): target for target in targets()}
            still_probed = {number for number, _ in wanted}
            for key in running.keys() - wanted.keys():
                target, scope = running.pop(key)
                scope.cancel()
                if target.health.probes_down and key[0] not in still_probed:
                    target.health.probes_down = False
                    target.changed()
            for key in wanted.keys() - running.keys():
                running[key] = (wanted[key], trio.CancelScope())
                nursery.start_soon(_probe, *running[key], random)
            await trio.sleep(LOOK_EVERY_S)


async def _probe(target: Target, scope: trio.CancelScope, random: Callable[[], float]) -> None:
    settings, record = target.settings, ProbeRecord()
    with scope:
        async with httpcore.AsyncConnectionPool(max_connections=1, retries=0) as pool:
            await trio.sleep(random() * settings.interval_s)  # nodes and endpoints do not all probe at once
            while True:
                ok = await _is_healthy(pool, target)
                await trio.lowlevel.checkpoint_if_cancelled()  # a result that comes too late must not count
                if probed(target.health, record, ok, settings.healthy_threshold, settings.unhealthy_threshold):
                    log.info("health changed", extra={"endpoint": target.name, "healthy": ok})
                    target.changed()
                await trio.sleep(settings.interval_s * (0.9 + 0.2 * random()))


async def _is_healthy(pool: httpcore.AsyncConnectionPool, target: Target) -> bool:
    url, healthy = f"http://{target.name}{target.settings.path}", False
    fields = [(b"Host", target.host), (b"User-Agent", b"nodeproxy")]
    with (
        trio.move_on_after(target.settings.timeout_s),
        suppress(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError),
    ):
        async with pool.stream("GET", url, headers=fields) as answer:
            healthy = 200 <= answer.status < 400
            size = 0
            async for piece in answer.aiter_stream():  # to its end, so that the next probe finds the connection
                size += len(piece)
                if size > BODY_BYTES:
                    break
    return healthy
