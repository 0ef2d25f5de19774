"""A task: one coroutine of the hot lane, its deadline and its children."""

from collections.abc import Callable, Coroutine
from math import inf
from typing import TYPE_CHECKING, Any

from nodeproxy.errors import DeadlinePassed
from nodeproxy.io.calls import park
from nodeproxy.io.deadlines import NOWHERE

if TYPE_CHECKING:
    from nodeproxy.io.reactor import Reactor

CLEANUP_S = 2.0  # a cancelled task may use this to clean up, e.g. a last write; then it is closed


class Cancelled(BaseException):
    """Raised at the wait of a cancelled task. Not an Exception: `except Exception` must not catch it."""


class Overtaken(Cancelled):
    """Raised at the wait of a task whose work another task has done: it gives up this work, not more."""


def _nothing(_value: None) -> None:
    """The step of a task whose coroutine has ended."""


class Task:
    """A coroutine that runs in turns of the reactor, until it ends or is cancelled.

    Children started by `start` never outlive it: they are cancelled when its coroutine ends, and `ended` becomes
    true only after theirs.
    """

    __slots__ = (
        "_children", "_coroutine", "_finished", "_parent", "_step", "_thrown", "_timer_s", "_waiting", "cancelled",
        "deadline", "ended", "ended_by", "queued", "reactor", "share", "tick",
    )  # fmt: skip

    def __init__(self, reactor: "Reactor", coroutine: Coroutine[Any, Any, None], parent: "Task | None" = None) -> None:
        self.reactor = reactor
        self.deadline = inf
        """When a wait of this task ends with DeadlinePassed, monotonic seconds. Change it with `limit`."""
        self.share: object = parent.share if parent is not None else None
        """For whom it works, e.g. a client's address: when much is waiting, each share has its turn.

        None is for the mesh's own work, which waits for no other.
        """
        self.queued = False
        self.cancelled = False
        self.ended = False
        self.ended_by: type[BaseException] | None = None
        """The class of the error that ended it, None after a return. The error itself would keep its frames alive."""
        self._coroutine = coroutine
        self._step: Callable[[None], Any] = coroutine.send
        self._thrown: BaseException | None = None
        self._timer_s = inf  # when the reactor checks the deadline; never after it
        self.tick = NOWHERE
        self._parent = parent
        self._children: dict[Task, None] | None = None
        self._waiting: list[Task] | None = None
        self._finished = False

    def resume(self) -> None:
        """Run until the next wait. Only the reactor calls this, never another task."""
        self.reactor.current = self
        try:
            self._step(None)
        except StopIteration:
            self._finish(None)
        except BaseException as error:
            self._finish(error)

    def limit(self, deadline: float) -> None:
        """See `exchange.exchange.Lane`. Costs one store if an earlier timer is set."""
        self.deadline = deadline
        if deadline < self._timer_s:
            self._timer_s = self.reactor.look_at(self, deadline)

    def interrupt(self, error: BaseException) -> None:
        """Raise `error` at this task's wait, in its next turn; the newest of several replaces all but Cancelled."""
        if not self._finished and type(self._thrown) is not Cancelled:
            self._thrown = error
            self._step = self._throw
            self.reactor.wake(self)

    def cancel(self) -> None:
        """End this task: raise Cancelled at its wait, and close its coroutine after CLEANUP_S."""
        if not self.cancelled and not self._finished:
            self.cancelled = True
            self.reactor.call_at(self.reactor.now + CLEANUP_S, self._close)
            self.interrupt(Cancelled())

    def start(self, coroutine: Coroutine[Any, Any, None]) -> "Task":
        """Start a child of this task that runs `coroutine`, from the reactor's next turn on."""
        child = Task(self.reactor, coroutine, self)
        if self._children is None:
            self._children = {}
        self._children[child] = None
        self.reactor.wake(child)
        return child

    @property
    def has_children(self) -> bool:
        """Whether a child of this task has not ended."""
        return bool(self._children)

    async def join(self) -> None:
        """Wait until this task has ended. Raises nothing of its own: see `ended_by`."""
        while not self.ended:
            waiting = self._waiting = self._waiting or []
            waiting.append(self.reactor.current)
            await park()

    async def cancel_children(self) -> None:
        """Cancel all children and wait until they have ended."""
        while self._children:
            child = next(reversed(self._children))
            child.cancel()
            await child.join()

    def _throw(self, _value: None) -> None:
        error, self._thrown = self._thrown, None
        self._step = self._coroutine.send
        try:
            if error is not None:
                self._coroutine.throw(error)
        finally:
            del error  # its traceback holds this frame

    def look(self) -> None:
        """See `deadlines.Timed`."""
        self._timer_s = inf
        if self._finished:
            return
        if self.reactor.now >= self.deadline:
            self.deadline = inf  # raised once; the code that catches it sets the next one
            self.interrupt(DeadlinePassed("the deadline of this request has passed"))
        elif self.deadline < inf:
            self.limit(self.deadline)

    def _close(self) -> None:
        if self._finished:
            return
        try:
            self._coroutine.close()
        except BaseException as error:  # it awaited in spite of GeneratorExit, or failed during clean-up
            self._finish(error)
        else:
            self._finish(Cancelled())

    def _finish(self, error: BaseException | None) -> None:
        self._finished, self._step, self._thrown = True, _nothing, None
        if error is not None:
            self.ended_by = type(error)
            self.reactor.task_failed(error)
        self.reactor.look_no_more(self)
        for child in tuple(self._children or ()):
            child.cancel()
        if not self._children:
            self._end()

    def _end(self) -> None:
        self.ended = True
        waiting, self._waiting = self._waiting, None
        for task in waiting or ():
            self.reactor.wake(task)
        parent, self._parent = self._parent, None
        if parent is not None:
            parent._child_ended(self)

    def _child_ended(self, child: "Task") -> None:
        if self._children is not None:
            self._children.pop(child, None)
        if self._finished and not self._children:
            self._end()
