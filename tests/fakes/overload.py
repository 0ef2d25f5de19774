"""A server with a fixed capacity and an open crowd of clients, in simulated time: M/G/k."""

from collections import deque
from heapq import heappop, heappush
from itertools import count
from random import Random

from nodeproxy.policies.gradient import REJECTED


class Server:
    """Serves `slots` requests at once, each as long as `service_s` draws; the others queue, without a bound.

    It works on a request whose client has given up as on any other, as servers do.
    """

    def __init__(self, slots, service_s):
        self.slots = slots
        self.service_s = service_s
        self.busy = 0
        self.queue = deque()


class Simulation:
    """Clients ask at random, `per_s` in the mean, and give up after `patience_s`; a controller may turn them away."""

    def __init__(self, server, per_s, patience_s, gradients=(), seed=1):
        self.server = server
        self.per_s = per_s
        self.now = 0.0
        self.good = self.late = self.rejected = 0
        self.longest_queue = 0
        self._patience_s = patience_s
        self.gradients = gradients
        self._random = Random(seed)
        self._events = []
        self._order = count()
        self._turn = count()

    def run(self, seconds):
        """Go on for so long; returns answers in time per second."""
        until, good = self.now + seconds, self.good
        self._at(self.now, self._arrive)
        while self._events[0][0] < until:
            self.now, _, call, arguments = heappop(self._events)
            call(*arguments)
        self.now = until
        self._events = [event for event in self._events if event[2] != self._arrive]
        self._events.sort()
        return (self.good - good) / seconds

    def _at(self, when, call, *arguments):
        heappush(self._events, (when, next(self._order), call, arguments))

    def _arrive(self):
        self._at(self.now + self._random.expovariate(self.per_s), self._arrive)
        gradient = self.gradients[next(self._turn) % len(self.gradients)] if self.gradients else None
        ticket = 0
        if gradient is not None and (ticket := gradient.admit(self.now)) == REJECTED:
            self.rejected += 1
            return
        request = [self.now, gradient, ticket, False]
        self._at(self.now + self._patience_s, self._give_up, request)
        self.server.queue.append(request)
        self._serve()

    def _serve(self):
        server = self.server
        while server.queue and server.busy < server.slots:
            server.busy += 1
            self._at(self.now + server.service_s(self._random), self._finish, server.queue.popleft())
        self.longest_queue = max(self.longest_queue, len(server.queue))

    def _finish(self, request):
        self.server.busy -= 1
        began, gradient, ticket, over = request
        if not over:
            request[3] = True
            self.good += 1
            if gradient is not None:
                gradient.sample(ticket, began, self.now)
        self._serve()

    def _give_up(self, request):
        began, gradient, ticket, over = request
        if not over:
            request[3] = True
            self.late += 1
            if gradient is not None:
                gradient.drop(ticket, began, self.now)
