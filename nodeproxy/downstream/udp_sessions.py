"""The UDP sessions of a worker: bounded in number and memory, ended when they are silent, drained."""

from collections import OrderedDict
from itertools import islice
from math import inf

from nodeproxy.downstream.udp_session import UdpSession
from nodeproxy.io.calls import park
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.rounds import Rounds
from nodeproxy.io.scope import Scope
from nodeproxy.telemetry.stats import WorkerStats
from nodeproxy.upstream.on_demand import Changes

HELD_BYTES_MOST = 4 * 1024 * 1024  # of all sessions whose endpoints are unknown
OPENED_AT_ONCE = 32  # sessions whose endpoints have become known, before others have a turn
DRAIN_IDLE_S = 5.0  # of a draining worker, whose sessions get replies only: as long as a resolver waits for one
SHARE = 4  # one client address may have a quarter of all sessions at the expense of others
LOOKED_AT = 256  # sessions, to find the oldest one of a client address
# Sessions that end at once where there is no socket for a new one, at most a quarter. The kernel looks at all ports for
# the last that is free, which takes 0.9 ms, as long as for none; with 64 free ones it takes 0.08 ms on average.
SHORT_OF = 64


class UdpSessions:
    """All sessions that share one bound, whichever listener has them.

    At the bound, the one that has been silent longest ends to admit a new one: of all, or of the new one's client
    address, if that has more than its share. `most` may be changed.
    """

    def __init__(self, reactor: Reactor, changes: Changes, most: int, stats: WorkerStats) -> None:
        self.reactor = reactor
        self.rounds = Rounds(reactor)
        self.stats = stats
        self.most = most
        self.held_bytes = 0
        """Of datagrams that wait for endpoints to be known."""
        self.listening: set[tuple[str, int]] = set()
        """Where clients send to. What comes from there would be answered there: see `UdpListener`."""
        self.idle_most_s = inf
        """A bound on `timeouts.udpIdle`: a worker that drains waits for replies, not for clients."""
        self.is_short = False
        """Whether a session got no socket in this turn: there is none before its end."""
        self._changes = changes
        self._by_age: OrderedDict[UdpSession, None] = OrderedDict()
        self._of_host: dict[str, int] = {}
        self._waiting: OrderedDict[UdpSession, None] = OrderedDict()
        self._scope: Scope | None = None

    def __len__(self) -> int:
        return len(self._by_age)

    @property
    def scope(self) -> Scope:
        """Of the task that opens the sessions that wait: no other task works for a session."""
        if self._scope is None:
            self._scope = Scope(self.reactor.spawn(self._open_waiting()))
        return self._scope

    def make_room(self, host: str) -> None:
        """Let a session end if a new one of a client with this address would be one too many."""
        if len(self._by_age) < self.most:
            return
        oldest = next(iter(self._by_age))
        if self._of_host.get(host, 0) > self.most // SHARE:
            own = (each for each in islice(self._by_age, LOOKED_AT) if each.client[0] == host)
            oldest = next(own, oldest)
        oldest.end("evicted")

    def add(self, session: UdpSession) -> None:
        """Take in a new session; `make_room` has been called for it."""
        host = session.client[0]
        self._by_age[session] = None
        self._of_host[host] = self._of_host.get(host, 0) + 1
        session.look()

    def remove(self, session: UdpSession) -> None:
        """Forget a session that has ended; also one that was never added."""
        self.reactor.look_no_more(session)
        self._waiting.pop(session, None)
        if session not in self._by_age:
            return
        del self._by_age[session]
        host = session.client[0]
        self._of_host[host] -= 1
        if not self._of_host[host]:
            del self._of_host[host]

    def touch(self, session: UdpSession) -> None:
        """A datagram of this session has come, in either direction."""
        session.seen = self.reactor.now
        self._by_age.move_to_end(session)

    def may_hold(self, size: int) -> bool:
        """Whether there is room for one more datagram of this size that waits for endpoints."""
        return self.held_bytes + size <= HELD_BYTES_MOST

    def wait(self, session: UdpSession) -> None:
        """Let `session` look again whenever the table has changed, until it has ended or does not wait any more."""
        self._waiting[session] = None
        if len(self._waiting) == 1:  # otherwise the task waits for the table already
            self.reactor.wake(self.scope.task)

    def short(self) -> None:
        """A session got no socket: the oldest ones give theirs back at the end of this turn."""
        if not self.is_short:
            self.is_short = True
            self.reactor.flush_after_turn(self)

    def flush(self) -> None:
        """See `reactor.Flushed`: it has been short."""
        self.is_short = False
        for session in list(islice(self._by_age, max(1, min(SHORT_OF, len(self) // SHARE)))):
            session.end("evicted")

    def drain(self) -> None:
        """End sessions that are silent for DRAIN_IDLE_S: the worker ends, and their clients send to another one."""
        self.idle_most_s = DRAIN_IDLE_S
        for session in list(self._by_age):
            session.look()

    def cancel(self) -> None:
        """End all sessions."""
        for session in list(self._by_age):
            session.end("drained")
        if self._scope is not None:
            self._scope.task.cancel()
            self._scope = None

    async def _open_waiting(self) -> None:
        while True:
            seen = self._changes.number
            for number, session in enumerate(list(self._waiting)):
                if number % OPENED_AT_ONCE == OPENED_AT_ONCE - 1:
                    await self.reactor.rest()
                session.look_again()
                if not session.waits:
                    self._waiting.pop(session, None)
            if not self._waiting:
                await park()
            elif self._changes.number == seen:  # it may have changed while others had a turn
                await self._changes.wait()
