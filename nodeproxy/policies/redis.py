"""`redis`: what a Redis or Valkey server behind the mesh is asked."""

from collections.abc import Callable, Mapping
from typing import Any

from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.protocol.redis.commands import CommandReader
from nodeproxy.telemetry.stats import RouteStats


class RedisSettings(PolicySettings):
    """Metrics of a port that speaks Redis's protocol in the clear.

    The mesh passes its bytes on unread, whatever this policy says: commands are counted beside that, once their bytes
    have been sent. A connection on which something else is spoken passes all the same, and is counted no further.
    """

    command_metrics: bool = False
    """Whether commands are counted by name, in `nodeproxy_redis_commands_total`. The label `command` is a command of
    Redis 8 or Valkey 8 in lower case, without its subcommand; `other` stands for all others, those of modules among
    them. It costs about two microseconds per command. In shadow mode too they are counted."""


class CommandMetrics:
    """The counts of one service port, and what adds to them."""

    __slots__ = ("_decisions", "_stats")

    def __init__(self, stats: RouteStats, decisions: Decisions) -> None:
        self._stats = stats
        self._decisions = decisions

    def begin(self) -> CommandReader:
        """The reader of one client's connection."""
        counts = self._stats.redis_commands
        if counts is None:
            counts = self._stats.redis_commands = {}
        return CommandReader(counts, self._unreadable)

    def _unreadable(self) -> None:
        self._decisions.count("unreadable")


def state(settings: RedisSettings, _before: CommandMetrics | None, tools: Tools) -> CommandMetrics | None:
    """What counts, if anything is to be counted; the numbers themselves belong to the service port."""
    return CommandMetrics(tools.stats, tools.decisions) if settings.command_metrics else None


def tap(states: Mapping[str, Any]) -> Callable[[bytes | memoryview], None] | None:
    """What reads the bytes of one client's connection to the service port with these states, if anything does."""
    metrics: CommandMetrics | None = states.get(POLICY.name)
    return None if metrics is None else metrics.begin().feed


POLICY: Policy = Policy(
    "redis",
    RedisSettings,
    connections=True,
    acts="on the bytes of connections, once they have been sent",
    state=state,
    outcomes={"unreadable": "a client did not speak Redis's protocol: the rest of its connection was not counted"},
)
