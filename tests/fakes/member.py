"""An endpoint as balancers see it."""

from dataclasses import dataclass, field

from nodeproxy.balance.health import Health


@dataclass(eq=False)
class Member:
    """Told from others by identity, as the hot lane's endpoints are."""

    name: str
    active: int = 0
    distance: int = 0
    health: Health = field(default_factory=Health)
