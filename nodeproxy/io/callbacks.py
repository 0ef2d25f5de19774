"""What the reactor calls."""

from typing import Protocol


class Watcher(Protocol):
    """Handles the events of one file descriptor."""

    @property
    def share(self) -> object:
        """The share of its work, see `Task.share`; None for work that never waits for other work."""
        ...

    def ready(self, mask: int) -> None:
        """`mask` is epoll's. Spurious calls are normal."""
        ...


class Runnable(Protocol):
    """Something that has its turn once it is woken: a task, or work without a coroutine."""

    queued: bool
    """Whether its turn comes; owned by the reactor."""

    @property
    def share(self) -> object:
        """See `Task.share`."""
        ...

    def resume(self) -> None:
        """Its turn has come."""
        ...


class Flushed(Protocol):
    """Something that collects what is to be written, and writes it at the end of the turn."""

    def flush(self) -> None:
        """Write it. Must not raise."""
        ...


class Resumed(Protocol):
    """What waits for a channel: a task, or what writes without one."""

    share: object
    """See `Task.share`."""

    def resume(self) -> None:
        """The channel is ready; may be spurious."""
        ...
