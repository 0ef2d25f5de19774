"""A share of requests that is exact over time, without chance."""

WHOLE = 1_000_000
"""Steps of a whole: a percentage has up to four decimal places."""


class Share:
    """Says of each of a series of requests whether it is due.

    After any number of them, those due differ from their share by at most a half. Source: Bresenham's line.
    """

    __slots__ = ("_steps", "_sum")

    def __init__(self, percentage: float) -> None:
        """0 is never due, 100 always; what is above 0 is at least one step."""
        steps = round(percentage * WHOLE / 100)
        self._steps = steps if steps or not percentage else 1
        # From the middle: a small share is not due at once, on each worker and after each change of settings.
        self._sum = WHOLE // 2

    def due(self) -> bool:
        """Whether the next request is due."""
        self._sum += self._steps
        if self._sum < WHOLE:
            return False
        self._sum -= WHOLE
        return True
