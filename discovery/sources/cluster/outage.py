"""An outage of a watch, and when to report it to the operator."""

from collections.abc import Callable
from math import inf

from discovery.sources.cluster.errors import ApiError, Forbidden

REPORTED_AFTER_S = 5.0  # shorter outages are not reported


class Outage:
    """Begins with a failure, ends with the next success; `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.error: ApiError | None = None
        """The reason of the outage, None without one."""
        self._now = now
        self._since = inf

    def goes_on(self, error: ApiError) -> None:
        """Notes a failure, the first or a further one."""
        self.error = error
        self._since = min(self._since, self._now())

    def is_over(self) -> None:
        """Notes a success."""
        self.error, self._since = None, inf

    @property
    def worth_reporting(self) -> ApiError | None:
        """The error to report: a missing permission at once, others once they last."""
        if isinstance(self.error, Forbidden) or self._now() - self._since >= REPORTED_AFTER_S:
            return self.error
        return None
