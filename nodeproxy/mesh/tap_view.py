"""The lines of a tap, as the control process streams them to the command line: one JSON object each."""

import msgspec


class TapBegan(msgspec.Struct, frozen=True, tag="tap"):
    """The first line: the tap is on."""

    service: str
    """`<namespace>/<name>`."""
    workers: int
    """That were asked."""
    ends_after_s: float


class TappedAttempt(msgspec.Struct, frozen=True):
    """One attempt. Times are seconds after the head of the request was complete."""

    endpoint: str
    began_s: float
    first_byte_s: float | None
    """None if none came."""
    ended_s: float
    status: int
    """Of the head of its response; 0 without one."""
    outcome: int | str
    """Its status, or the reason of the error that replaced or interrupted it."""
    hedge: bool


class TappedDecision(msgspec.Struct, frozen=True):
    """What a policy has decided about the request."""

    at_s: float
    policy: str
    outcome: str
    mode: str


class TappedRequest(msgspec.Struct, frozen=True, tag="request"):
    """One request, after its end."""

    time: float
    """When its head was complete, seconds since 1970."""
    seconds: float
    """Until the last byte of its response."""
    method: str
    host: str
    path: str
    version: str
    client: str
    source: str
    """`<namespace>/<workload>` of the caller."""
    service_port: str
    status: int
    reason: str
    """"" for a response of an endpoint."""
    grpc_status: int | None
    not_retried: str
    rule: str
    """The rule of `routes` that decided, "" without one."""
    attempts: tuple[TappedAttempt, ...]
    decisions: tuple[TappedDecision, ...]
    left_out: int
    """Attempts and decisions beyond what is recorded."""
    trace_id: str
    """"" if it is not traced."""


class TapMissed(msgspec.Struct, frozen=True, tag="left-out"):
    """How many requests matched so far and are not among the lines: too many a second, or a reader too slow."""

    left_out: int


class TapEnded(msgspec.Struct, frozen=True, tag="end"):
    """The last line of a tap that has ended by itself."""

    why: str
    left_out: int


TapLine = TapBegan | TappedRequest | TapMissed | TapEnded
