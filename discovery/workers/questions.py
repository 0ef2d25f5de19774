"""Questions to the connected workers, and their answers within a time; see `nodeproxy.mesh.questions`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import anyio

from discovery.workers.pending import Backlog
from nodeproxy.mesh.questions import Answer, AnswerTo, Ask, Question

ANSWER_S = 2.0  # a worker answers within milliseconds, one that has lost its core for a second is still heard


class Answered(NamedTuple):
    """The answers by the number of the worker, and the workers that did not answer in time."""

    answers: Mapping[int, AnswerTo]
    silent: tuple[int, ...]


@dataclass(slots=True)
class _Open:
    """A question that has been asked."""

    waiting: set[Backlog]
    answers: dict[Backlog, AnswerTo] = field(default_factory=dict)
    settled: anyio.Event = field(default_factory=anyio.Event)

    def without(self, worker: Backlog) -> None:
        self.waiting.discard(worker)
        if not self.waiting:
            self.settled.set()


class Questions:
    """The open questions; as many as pages are being answered at once, see `observe.server`."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._open: dict[int, _Open] = {}
        self._numbers = count(1)

    async def ask(self, question: Question, workers: Mapping[Backlog, int]) -> Answered:
        """Asks these workers, which have these numbers; returns when all have answered, or after ANSWER_S."""
        number = next(self._numbers)
        asked = self._open[number] = _Open(set(workers))
        for worker in workers:
            worker.ask(Ask(number, question))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._give_up, asked.settled)
                if workers:
                    await asked.settled.wait()
                group.cancel_scope.cancel()
        finally:
            del self._open[number]
            for worker in asked.waiting:
                worker.withdraw(number)
        answers = {workers[worker]: answer for worker, answer in asked.answers.items()}
        return Answered(answers, tuple(sorted(set(workers.values()) - answers.keys())))

    def note(self, worker: Backlog, answer: Answer) -> None:
        """Takes an answer of `worker`; one that comes too late, or to no question, is dropped."""
        asked = self._open.get(answer.number)
        if asked is not None and worker in asked.waiting:
            asked.answers[worker] = answer.answer
            asked.without(worker)

    def gone(self, worker: Backlog) -> None:
        """Notes that `worker` has disconnected: it will not answer."""
        for asked in self._open.values():
            asked.without(worker)

    async def _give_up(self, settled: anyio.Event) -> None:
        await self._sleep(ANSWER_S)
        settled.set()
