"""Judges: objects that learn of every attempt at the endpoints of a service port, where a policy asks for it.

An endpoint has a tuple of judges, which is empty where no policy asks.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from nodeproxy.balance.health import Health
from nodeproxy.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    DeadlinePassed,
    ResponseHeadersTooLarge,
    StreamReset,
)
from nodeproxy.protocol.message import Request, Response

Outcome = int | str
"""How an attempt ended: the status of its response, or the reason of the error (`errors.ProxyError.reason`).

The status of a gRPC call is that of its trailers, as the HTTP status of the same meaning: it can be an error where that
of the head, `Try.status`, was none.
"""

MALFORMED = frozenset({BadResponse.reason, ResponseHeadersTooLarge.reason})
"""Reasons for which a response was none: the endpoint has answered, and wrongly."""

FAILURES = MALFORMED | {ConnectFailed.reason, ConnectionLost.reason, StreamReset.reason, DeadlinePassed.reason}
"""Reasons for which the endpoint is at fault. A client that has gone, or a cancelled attempt, is not evidence."""


class Judged(Protocol):
    """An endpoint, with what judges remember of it."""

    @property
    def active(self) -> int: ...

    @property
    def health(self) -> Health: ...


class Recorded(Protocol):
    """What is recorded of an exchange; see `exchange.recording`."""

    def decided(self, policy: str, outcome: str, mode: str) -> None: ...


class Asked(Protocol):
    """An exchange, as far as balancing depends on it."""

    shadowed: tuple[str, ...]

    @property
    def recording(self) -> Recorded | None: ...

    @property
    def client(self) -> str: ...

    @property
    def tried(self) -> Sequence[object] | None: ...

    @property
    def request(self) -> Request: ...

    @property
    def started(self) -> float: ...


class Try(Protocol):
    """An attempt, as far as judges use it; see `exchange.attempt.Attempt`."""

    @property
    def exchange(self) -> Asked: ...

    @property
    def endpoint(self) -> Judged: ...

    @property
    def began(self) -> float: ...

    @property
    def first_byte(self) -> float | None: ...

    @property
    def status(self) -> int: ...


class Counter(Protocol):
    """Counts the decisions of one policy; see `exchange.decisions.Decisions`."""

    @property
    def shadow(self) -> bool: ...

    def count(self, outcome: str, exchange: Asked | None = None) -> None: ...


class Judge(Protocol):
    """Learns from the attempts at the endpoints of one service port. Must not wait."""

    def installed(self, members: Sequence[Judged], changed: Callable[[], None]) -> None:
        """These are the endpoints from now on; `changed` is to be called when the health of one has changed."""
        ...

    def responded(self, attempt: Try, response: Response) -> None:
        """The head of the attempt's response has come; its status is judged by `attempt.status`."""
        ...

    def ended(self, attempt: Try, outcome: Outcome) -> None:
        """The response has been read or given up, or there is none; see `Attempt.end`."""
        ...
