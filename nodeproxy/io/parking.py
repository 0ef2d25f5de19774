"""How a task waits; see `calls` for which implementation runs."""

from collections.abc import Generator


class Park:
    """Awaited, it suspends the current task until that is resumed.

    Wake-ups may be spurious: the caller checks and parks again. Call it as `park`, each time anew.
    """

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield


park = Park
