"""The newest failures of all workers, for the list of recent errors: bounded, and numbered for those who wait."""

from collections import deque

import anyio

from nodeproxy.mesh.failures import Failure, Failures

KEPT_MOST = 200


class RecentFailures:
    """The last KEPT_MOST failures; lost when the control process restarts."""

    def __init__(self) -> None:
        self.number = 0
        """How many have come."""
        self._kept: deque[Failure] = deque(maxlen=KEPT_MOST)
        self._left_out: dict[object, int] = {}
        self._past_left_out = 0
        self._news = anyio.Event()

    @property
    def left_out(self) -> int:
        """How many the workers have not sent."""
        return self._past_left_out + sum(self._left_out.values())

    def take(self, connection: object, failures: Failures) -> None:
        """Takes what a worker has sent."""
        self._left_out[connection] = failures.left_out
        self._kept.extend(failures.exchanges)
        self.number += len(failures.exchanges)
        self._news.set()
        self._news = anyio.Event()

    def gone(self, connection: object) -> None:
        """Notes that a worker has disconnected."""
        self._past_left_out += self._left_out.pop(connection, 0)

    def after(self, number: int) -> list[Failure]:
        """Those after this number that are kept, the newest first."""
        new = min(self.number - number, len(self._kept))
        return [self._kept[-1 - index] for index in range(new)]

    async def news(self, number: int, limit_s: float) -> None:
        """Waits until there is one after this number, at most `limit_s` seconds."""
        if self.number == number:
            with anyio.move_on_after(limit_s):
                await self._news.wait()
