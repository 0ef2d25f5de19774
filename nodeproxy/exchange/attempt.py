"""One try of an exchange at one endpoint. Retries and hedging make several of one exchange."""

from typing import Protocol

from nodeproxy.exchange.exchange import Exchange


class Carrier(Protocol):
    """An endpoint, as far as an attempt uses it."""

    active: int
    name: str


class Attempt:
    """Counts as active at its endpoint until it ends, once."""

    __slots__ = ("began", "endpoint", "exchange", "first_byte", "outcome")

    def __init__(self, exchange: Exchange, endpoint: Carrier, began: float) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.began = began
        """When the endpoint was chosen, monotonic seconds."""
        self.first_byte: float | None = None
        """When the first byte of a response had come, monotonic seconds."""
        self.outcome: int | str | None = None
        """The response's status, or the reason of the error in its place or within it; None while it lasts."""
        endpoint.active += 1
        exchange.tries += 1
        exchange.endpoint = endpoint

    def end(self, outcome: int | str) -> None:
        """The response has been sent or given up, or there will be none."""
        if self.outcome is None:
            self.outcome = outcome
            self.endpoint.active -= 1
            observer = self.exchange.observer
            if observer is not None:
                observer.attempt_ended(self)
