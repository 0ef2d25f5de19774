"""The end of a worker's client connections, once no listener accepts any more."""

import logging

import trio

from nodeproxy.downstream.connections import Connections
from nodeproxy.downstream.udp_sessions import UdpSessions
from nodeproxy.io.task import CLEANUP_S

IDLE_GRACE_S = 1.0  # of draining, before idle connections are closed
LOOK_EVERY_S = 0.02
log = logging.getLogger(__name__)


async def drain(connections: Connections, sessions: UdpSessions, limit_s: float) -> None:
    """Finish requests in flight within `limit_s`, close idle connections, then end the rest; likewise UDP sessions.

    A client that sends another request within IDLE_GRACE_S gets `Connection: close` with the response; only
    connections that stay idle are closed without a response.
    """
    log.info("draining", extra={"connections": len(connections.open), "udp_sessions": len(sessions)})
    sessions.drain()
    hang_up_at = trio.current_time() + IDLE_GRACE_S
    with trio.move_on_after(limit_s):
        while connections.open or sessions:
            if trio.current_time() >= hang_up_at:
                connections.hang_up()
            await trio.sleep(LOOK_EVERY_S)
        return
    log.warning("drain limit reached", extra={"connections": len(connections.open), "udp_sessions": len(sessions)})
    sessions.cancel()
    connections.cancel()
    with trio.move_on_after(CLEANUP_S):  # tunnels are logged when they end
        while connections.open:  # noqa: ASYNC110  their tasks are the reactor's, not trio's
            await trio.sleep(LOOK_EVERY_S)
