"""An endpoint as balancers see it, and an attempt at one as judges see it."""

from dataclasses import dataclass, field

from nodeproxy.balance.health import Health
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Response
from tests.fakes.exchanges import STARTED, exchange


@dataclass(eq=False)
class Member:
    """Told from others by identity, as the hot lane's endpoints are."""

    name: str
    active: int = 0
    distance: int = 0
    health: Health = field(default_factory=Health)


@dataclass(eq=False)
class Try:
    """An attempt that a judge is told of."""

    endpoint: Member
    began: float = STARTED
    first_byte: float | None = None
    status: int = 0
    exchange: object = field(default_factory=exchange)


class Judged:
    """Endpoints with one judge, and a clock that the test moves."""

    def __init__(self, make, number=3, mode="enforce"):
        self.now = STARTED
        self.counts = {}
        self.changes = 0
        self.members = [Member(f"10.1.0.{index}:80") for index in range(1, number + 1)]
        self.judge = make(lambda: self.now, Decisions(self.counts, "policy", mode))
        self.judge.installed(self.members, self._changed)

    def _changed(self):
        self.changes += 1

    def answers(self, member, status=200, taking_s=0.01, broken="", **fields):
        """A response of `member` that is complete, or `broken` for that reason."""
        began = self.now
        self.now += taking_s
        attempt = Try(self.members[member], began, self.now, status)
        block = b"".join(b"%b: %b\r\n" % (name.replace("_", "-").encode(), value) for name, value in fields.items())
        self.judge.responded(attempt, Response(status, Fields(block), 0))
        self.judge.ended(attempt, broken or status)

    def fails(self, member, reason, taking_s=0.01):
        """An attempt at `member` without a response."""
        began = self.now
        self.now += taking_s
        self.judge.ended(Try(self.members[member], began), reason)

    def counted(self):
        """The outcomes and how often each was counted."""
        return {outcome: number for (_, outcome, _), number in self.counts.items()}
