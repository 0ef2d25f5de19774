"""What a worker sends of exchanges that failed: a few facts of each, at a bounded rate; see `exchange.failures`."""

import msgspec


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """One exchange that ended in an error of the mesh, or in a status of 500 and above."""

    time: float
    """Its end, seconds since 1970."""
    service_port: str
    """`<namespace>/<service>:<port>`; "" without a route."""
    status: int
    reason: str
    """"" for a response of an endpoint."""
    caller: str
    """As `callers.caller_text`."""
    method: str
    path: str
    """Without its query, which may hold secrets."""
    attempts: int
    endpoint: str
    """The last one that was tried, "" for none."""


class Failures(msgspec.Struct, frozen=True, tag="failures"):
    """A batch."""

    exchanges: tuple[Failure, ...]
    left_out: int
    """On this connection so far, beyond the rate of the worker."""
