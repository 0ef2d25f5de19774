"""How the endpoints of a service port are balanced, made from its policies by `wiring.balancing`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nodeproxy.balance.choice import Choose
from nodeproxy.balance.hashing import Hashing
from nodeproxy.balance.judge import Judge


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cluster makes its balancers with."""

    chooser: Callable[[], Choose[Any]]
    """Makes a chooser: one for each list of endpoints."""
    panic_percent: int = 0
    """See `Balancer`."""
    hashing: Hashing | None = None
    """Consistent hashing, in the place of the chooser and of sticky sessions."""
    judges: tuple[Judge, ...] = ()
    """They are notified of every attempt at an endpoint."""
