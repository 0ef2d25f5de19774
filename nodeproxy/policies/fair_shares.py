"""Slots that callers share: who waits gets the next free one if it has the fewest. Pure; `fair_turns` waits for it.

Max-min fairness: a caller that asks for less than its share gets all it asks for, and the others divide the rest alike.
A caller that has its share already leaves a reserve free, so that one below its share need not wait for a response.
Source: D. Bertsekas, R. Gallager, Data Networks, 6.5.2.
"""

from collections import deque
from collections.abc import Callable

Caller = tuple[str, str]
"""Namespace and workload, or "" and the address of a client that is no pod of this node."""


class Ticket:
    """A request that waits for a slot."""

    __slots__ = ("caller", "granted", "wake")

    def __init__(self, caller: Caller, wake: Callable[[], None]) -> None:
        self.caller = caller
        self.wake = wake
        """Called when it has been granted a slot."""
        self.granted = False


class _Ledger:
    """What is under way; outlives a change of the numbers."""

    __slots__ = ("numbers", "running", "used", "waiting")

    def __init__(self, numbers: tuple[int, int]) -> None:
        self.numbers = numbers  # slots, and at most for one caller
        self.used = 0
        self.running: dict[Caller, int] = {}
        self.waiting: dict[Caller, deque[Ticket]] = {}  # in the order of their last turn

    def admits(self, caller: Caller) -> bool:
        """Whether `caller` may have one more slot now."""
        slots, most = self.numbers
        free, has = slots - self.used, self.running.get(caller, 0)
        if free <= 0 or has >= most:
            return False
        return free > slots - most or has * (len(self.running) + (not has)) < slots


class Shares:
    """`slots` for all callers, at most `most` of them for one, and at most `waiting` requests of one that wait.

    `slots - most` are the reserve: whoever has `slots` divided by the number of callers, or more, leaves so many free.

    With `before`, the slots and the queue are those of earlier numbers; the new ones are in force with the next `take`.
    """

    __slots__ = ("_ledger", "_numbers", "slots", "waiting")

    def __init__(self, slots: int, most: int, waiting: int, before: "Shares | None" = None) -> None:
        self.slots = slots
        self.waiting = waiting
        self._numbers = slots, most
        self._ledger: _Ledger = before._ledger if before is not None else _Ledger(self._numbers)

    @property
    def used(self) -> int:
        """How many slots are in use."""
        return self._ledger.used

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._ledger.waiting.values()))

    def take(self, caller: Caller) -> bool:
        """Take a slot for `caller` if there is one that it may have; those that wait have had theirs offered."""
        ledger = self._ledger
        if ledger.numbers is not self._numbers:
            ledger.numbers = self._numbers
            self._grant()
        if caller in ledger.waiting or not ledger.admits(caller):
            return False
        self.take_anyway(caller)
        return True

    def take_anyway(self, caller: Caller) -> None:
        """Count a request of `caller` whatever is free: for a policy that is not enforced."""
        ledger = self._ledger
        ledger.used += 1
        ledger.running[caller] = ledger.running.get(caller, 0) + 1

    def queue(self, ticket: Ticket) -> bool:
        """Let it wait; returns False if too many of its caller wait already."""
        tickets = self._ledger.waiting.get(ticket.caller)
        if tickets is None:
            self._ledger.waiting[ticket.caller] = deque((ticket,))
        elif len(tickets) >= self.waiting:
            return False
        else:
            tickets.append(ticket)
        return True

    def leave(self, caller: Caller) -> None:
        """Return a slot of `caller`, and grant it to the next."""
        ledger = self._ledger
        ledger.used -= 1
        running = ledger.running[caller] - 1
        if running:
            ledger.running[caller] = running
        else:
            del ledger.running[caller]
        self._grant()

    def withdraw(self, ticket: Ticket) -> None:
        """End its wait: the request is given up. A slot granted meanwhile is returned."""
        if ticket.granted:
            self.leave(ticket.caller)
            return
        tickets = self._ledger.waiting[ticket.caller]
        tickets.remove(ticket)
        if not tickets:
            del self._ledger.waiting[ticket.caller]

    def _grant(self) -> None:
        ledger = self._ledger
        while ledger.used < ledger.numbers[0] and (caller := self._next()) is not None and ledger.admits(caller):
            tickets = ledger.waiting.pop(caller)
            ticket = tickets.popleft()
            if tickets:
                ledger.waiting[caller] = tickets  # behind the others
            self.take_anyway(caller)
            ticket.granted = True
            ticket.wake()

    def _next(self) -> Caller | None:
        running, fewest, found = self._ledger.running, self._ledger.numbers[1], None
        for caller in self._ledger.waiting:
            has = running.get(caller, 0)
            if has < fewest:
                fewest, found = has, caller
        return found
