"""One attempt to send an exchange to one endpoint. With retries an exchange has several."""

from typing import Protocol

from nodeproxy.balance.health import Health
from nodeproxy.balance.judge import Judge
from nodeproxy.exchange.exchange import Exchange


class Carrier(Protocol):
    """An endpoint, as far as an attempt uses it."""

    active: int
    name: str
    health: Health
    judges: tuple[Judge, ...]


class Attempt:
    """An attempt: active at its endpoint until `end` is called."""

    __slots__ = ("began", "ended", "endpoint", "exchange", "first_byte", "outcome", "span_id", "status")
    ended: float
    """When it ended, monotonic seconds; set only where the exchange is recorded."""
    span_id: bytes
    """Of its span, which the endpoint got as its parent, b"" where the exchange is not traced; set as `ended`."""

    def __init__(self, exchange: Exchange, endpoint: Carrier, began: float) -> None:
        self.exchange = exchange
        self.endpoint = endpoint
        self.began = began
        """Time at which the endpoint was chosen, monotonic seconds."""
        self.first_byte: float | None = None
        """Time at which the first byte of a response was received, monotonic seconds; None before."""
        self.status = 0
        """Status of its response, 0 before the head has been received; of a gRPC call that is refused by the head, the
        HTTP status of the same meaning."""
        self.outcome: int | str | None = None
        """The response's status, of a gRPC call that of its trailers in HTTP's terms, or the reason of the error that
        replaced or interrupted it; None until the end."""
        endpoint.active += 1
        exchange.tries += 1
        exchange.endpoint = endpoint
        if exchange.recording is not None:
            exchange.recording.attempt_began(self)

    def end(self, outcome: int | str) -> None:
        """End the attempt: its response has been sent or abandoned, or it failed. Later calls have no effect."""
        if self.outcome is None:
            self.outcome = outcome
            self.endpoint.active -= 1
            for judge in self.endpoint.judges:
                judge.ended(self, outcome)
            exchange = self.exchange
            if exchange.observer is not None:
                exchange.observer.attempt_ended(self)
            if exchange.recording is not None:
                exchange.recording.attempt_ended(self)
