"""An outage of something followed, and when an operator has to know of it."""

from collections.abc import Callable
from math import inf

from discovery.sources.cluster.errors import ApiError, Forbidden

REPORTED_AFTER_S = 5.0  # an outage shorter than this is no problem an operator has to know of


class Outage:
    """Begins with a failure, ends with the next success; `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.error: ApiError | None = None
        """Why it lasts, None while there is none."""
        self._now = now
        self._since = inf

    def goes_on(self, error: ApiError) -> None:
        """Something has failed, whether for the first time or again."""
        self.error = error
        self._since = min(self._since, self._now())

    def is_over(self) -> None:
        """Nothing fails any more."""
        self.error, self._since = None, inf

    @property
    def worth_reporting(self) -> ApiError | None:
        """The error that an operator has to know of: a missing permission at once, others once they last."""
        if isinstance(self.error, Forbidden) or self._now() - self._since >= REPORTED_AFTER_S:
            return self.error
        return None
