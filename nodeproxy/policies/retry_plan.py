"""Whether a failed try is sent again, and when: decided from the error or the status alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nodeproxy.errors import ConnectFailed, ConnectionLost, DeadlinePassed, ProxyError, StreamReset, Unprocessed


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """What the settings of `retries` ask for."""

    attempts: int
    """Tries beyond the first."""
    methods: frozenset[bytes]
    """Those that may be received twice."""
    conditions: frozenset[str]
    """Of `retryOn`."""
    statuses: Mapping[int, str]
    """The statuses of responses that count as failed tries, with the condition of each."""
    grpc_statuses: Mapping[int, str]
    """The same for gRPC calls that are refused by the head of a response, so that no message was delivered."""
    base_s: float
    max_s: float
    retry_after_most_s: float
    """The longest Retry-After that is waited for; 0: the field is not looked at."""


def condition_of(error: ProxyError, idempotent: bool, conditions: frozenset[str]) -> str:
    """The condition by which a request that failed with `error` may be sent again; "" where it may not."""
    if isinstance(error, Unprocessed) and "refused-stream" in conditions:
        condition = "refused-stream"
    elif isinstance(error, ConnectFailed):
        condition = "connect-failure"
    elif not idempotent:
        return ""
    elif isinstance(error, DeadlinePassed):
        condition = "timeout"
    elif isinstance(error, ConnectionLost | StreamReset):
        condition = "reset"
    else:
        return ""
    return condition if condition in conditions else ""


def backoff_s(attempt: int, base_s: float, max_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait before retry number `attempt`, counted from 1: fully jittered, exponential, bounded.

    Source: Envoy, retry_back_off; AWS Architecture Blog, Exponential Backoff And Jitter.
    """
    return random() * min(max_s, base_s * 2.0 ** (attempt - 1))
