"""Waits until the limits of `connectionPool` allow one more connection to a cluster."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from nodeproxy.io.reactor import Reactor
from nodeproxy.policies.connection_limits import ConnectionLimits
from nodeproxy.upstream.dialer import Dialer

Connection = TypeVar("Connection")


class LimitedPool(Protocol):
    """A pool, as far as its limits change while a request waits."""

    limits: ConnectionLimits | None


async def admitted(
    pool: LimitedPool, dialer: Dialer, reactor: Reactor, take: Callable[[ConnectionLimits], Connection | None]
) -> Connection | None:
    """None when a connection may be opened, which is counted then; else one that `take` has found free meanwhile.

    Raises:
        ConnectFailed: the endpoint of `dialer` has left its service.
        ConnectionPoolFull: as many requests as `maxPendingRequests` wait already.
    """
    task, limits = reactor.current, pool.limits
    while limits is not None:
        if limits.is_next(task):
            connection = take(limits)
            if connection is not None or limits.admit():
                limits.leave(task)
                return connection
        await limits.wait(reactor)
        if dialer.left:
            limits.leave(task)
            dialer.check_in_service()
        limits = pool.limits  # others apply if the policy has changed
    return None
