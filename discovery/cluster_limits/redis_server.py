"""A Redis or Valkey server that keeps limits: a token bucket for each, and the nodes that use it.

Times are the server's own. Keys begin with `nodeproxy:`; clusters that share a server use different databases. Keys of
limits that no node uses expire.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from discovery.cluster_limits.claims import Claim
from discovery.cluster_limits.server import Grant, ServerGone

TIMEOUT_S = 0.25  # of a connect or an answer: workers live on their leases meanwhile
INT64 = 2.0**63  # Redis has no larger numbers
LATELY_S = 5  # a node that was not heard for so long has its share no longer

# level is what was taken and has not drained. Floats travel as text: Redis cuts numbers of a reply to integers.
_CLAIM = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local rate, burst, tokens, owed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(kept[1] or '0') - math.max(0, now - tonumber(kept[2] or now)) * rate
level = math.max(0, level) + owed
local granted = tokens
if tokens > 0 then granted = math.max(0, math.min(tokens, math.floor(burst - level + 0.000001))) end
level = math.max(0, level + granted)
redis.call('HSET', KEYS[1], 'level', string.format('%.9f', level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(level / rate * 1000) + 1000)
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[6]))
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[6]) * 1000)
return {tostring(granted), redis.call('ZCARD', KEYS[2])}
"""
_GREET = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[2]) * 1000)
return redis.call('ZCARD', KEYS[1])
"""


class RedisServer:
    """One server, over one connection that is opened when needed. `node` is this node's name among those it knows."""

    def __init__(self, url: str, node: str, password_file: Path | None = None) -> None:
        self._url = url
        self._node = node
        self._password_file = password_file
        self._client: Redis | None = None

    async def exchange(self, claims: Sequence[Claim]) -> tuple[float, list[Grant]]:
        """See LimitServer. There is an answer within TIMEOUT_S, or none."""
        try:
            client = self._connected()
            pipe = client.pipeline(transaction=False)
            pipe.eval(_GREET, 1, "nodeproxy:nodes", self._node, str(LATELY_S))
            for claim in claims:
                limit = claim.limit
                keys = f"nodeproxy:{{{limit.port}}}:limit", f"nodeproxy:{{{limit.port}}}:nodes"
                numbers = f"{limit.rate!r}", f"{claim.burst!r}", f"{claim.tokens!r}", f"{claim.owed!r}"
                pipe.eval(_CLAIM, 2, *keys, *numbers, self._node, str(LATELY_S))
            nodes, *answers = await pipe.execute()
            return _number(nodes), [_grant(each) for each in answers]
        except (RedisError, OSError, ValueError, RecursionError) as error:  # the last of a reply with many levels
            await self.close()
            raise ServerGone(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """See LimitServer."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(RedisError, OSError):  # of a server that does not end its side of TLS in time
                await client.aclose()

    def _connected(self) -> Redis:
        if self._client is None:
            password = self._password_file.read_text().strip() if self._password_file is not None else None
            self._client = Redis.from_url(
                self._url,
                password=password,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),  # the next round is the retry
                protocol=2,
                client_name="nodeproxy",
            )
        return self._client


def _grant(reply: object) -> Grant:
    if not isinstance(reply, list) or len(reply) != 2:
        raise ValueError("the answer to a claim is not two numbers")
    return Grant(_number(reply[0]), _number(reply[1]))


def _number(reply: object) -> float:
    """A number of an answer: the author of a table chooses the server, and it may answer anything."""
    found = float(reply) if isinstance(reply, bytes) else reply
    if not isinstance(found, float | int) or not abs(found) < INT64:
        raise ValueError("an answer is no number")
    return float(found)
