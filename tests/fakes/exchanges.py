"""What stands around a policy: an exchange to pass in, an endpoint with a script, a world whose time is told."""

from random import Random

from nodeproxy.exchange.body import WholeBody
from nodeproxy.exchange.decisions import Decisions
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.io.reactor import Reactor
from nodeproxy.io.scope import Scope
from nodeproxy.io.task import Task
from nodeproxy.limits.buckets import Buckets
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import UNKNOWN, Request, Response
from nodeproxy.telemetry.stats import RouteStats

STARTED = 1000.0


def run(coroutine):
    """What `coroutine` gives; it must not wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError(f"it waits: {coroutine}")


class Unstarted:
    """The coroutine of a task that never has a turn."""

    def send(self, _value):
        raise AssertionError("a lane of a test has no turns")


_REACTOR = Reactor(lambda: STARTED)


def lane():
    """A task that carries an exchange, and has no turns of its own: tests run coroutines to their end."""
    return Task(_REACTOR, Unstarted())


def lane_of(exchange):
    """The task that carries an exchange."""
    return exchange.scope.task


class Pieces:
    """A body that is still arriving, piece by piece; what is read is gone."""

    def __init__(self, *pieces, trailers=b""):
        self.length = UNKNOWN
        self.streamed = True
        self.trailers = b""
        self._pieces = list(pieces)
        self._behind = trailers

    async def read(self):
        if self._pieces:
            return self._pieces.pop(0)
        self.trailers = self._behind
        return b""

    def rewind(self):
        return False


class Held:
    """The unread rest of a response."""

    abandoned = False

    def abandon(self):
        self.abandoned = True


class Ending:
    """An attempt that remembers how it ended."""

    outcome = None

    def end(self, outcome):
        self.outcome = outcome


class Replies:
    """A handler with a script: an error is raised, a number is a response's status; the last one stays.

    Reads each request's body to its end, and notes it with the deadline of its try.
    """

    def __init__(self, *script, taking_s=0.0, world=None):
        self._script = list(script)
        self._taking_s = taking_s
        self._world = world
        self.bodies = []
        self.deadlines = []
        self.responses = []

    @property
    def calls(self):
        return len(self.bodies)

    async def __call__(self, exchange):
        self.deadlines.append(lane_of(exchange).deadline)
        body = b""
        while piece := await exchange.body.read():
            body += piece
        self.bodies.append(body)
        if self._world is not None:
            self._world.now += self._taking_s
        reply = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(reply, Exception):
            raise reply
        response = Response(reply, Fields(), 0)
        response.body = Held()
        response.attempt = Ending()
        self.responses.append(response)
        return response


class PolicyWorld:
    """Time that only sleeping moves, chance from a seed, numbers of a route."""

    def __init__(self):
        self.now = STARTED
        self.slept = []
        self.stats = RouteStats()
        self.buckets = Buckets.private()
        self.tools = self.tools_of(Decisions(self.stats.decisions, "policy"))

    def tools_of(self, decisions):
        return Tools(
            self._clock, Random(5).random, self._sleep, self.stats, decisions, wall=self._clock, buckets=self.buckets
        )

    def _clock(self):
        return self.now

    def shadow(self, policy):
        """The tools of a policy in shadow mode."""
        return self.tools_of(Decisions(self.stats.decisions, policy, "shadow"))

    async def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def request(method=b"GET", path=b"/", host=b"web.shop.mesh", service=b"", block=b"", **slots):
    """A request with only what matters."""
    made = Request(method, host, path, Fields(block))
    made.service = service
    for name, value in slots.items():
        setattr(made, name, value)
    return made


def exchange(method=b"GET", body=None):
    """An exchange that has just begun."""
    body = body or WholeBody(b"")
    return Exchange(request(method, length=body.length), body, "10.0.0.9", Scope(lane()), STARTED)
