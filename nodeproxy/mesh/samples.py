"""What a worker sends of single exchanges to the control process: samples, for traces and for tap.

They go up in bounded batches beside the reports. A worker whose batches are not taken drops samples and counts them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

BATCH_MOST = 64  # samples in one line: about 50 kB, encoded in 0.2 ms
TEXT_MOST = 1024  # characters of one text of a request; longer ones are cut off


class AttemptSample(msgspec.Struct, frozen=True, array_like=True):
    """One attempt."""

    endpoint: str
    """Address and port."""
    began_s: float
    """Seconds after the beginning of the exchange, as all times here."""
    first_byte_s: float | None
    ended_s: float
    status: int
    """Of the head of its response; 0 without one."""
    outcome: int | str
    """See `Attempt.outcome`."""
    hedge: bool
    span_id: str


class EventSample(msgspec.Struct, frozen=True, array_like=True):
    """A decision of a policy about the exchange."""

    at_s: float
    policy: str
    outcome: str
    mode: str


class TraceSample(msgspec.Struct, frozen=True, array_like=True):
    """The place of an exchange in its trace."""

    trace_id: str
    span_id: str
    parent_id: str
    """"" where the trace begins here."""
    state: str
    """The value of tracestate, "" without one."""


class ExchangeSample(msgspec.Struct, frozen=True, array_like=True):
    """One exchange that has ended."""

    time: float
    """When the head of its request was complete, seconds since 1970."""
    elapsed_s: float
    method: str
    authority: str
    path: str
    version: str
    """Of HTTP, as the request came: `1.1` or `2`."""
    client: str
    """Address."""
    caller: tuple[str, str]
    """Namespace and workload."""
    service_port: str
    """`<namespace>/<service>:<port>`; "" without a route."""
    status: int
    reason: str
    """"" for a response of an endpoint."""
    grpc_status: int | None
    """None for what is no gRPC call."""
    not_retried: str
    attempts: tuple[AttemptSample, ...]
    events: tuple[EventSample, ...]
    left_out: int
    """Attempts and events beyond what is recorded."""
    trace: TraceSample | None
    """None for what is not traced."""
    rule: str = ""
    """The rule of `routes` that decided, "" without one."""
    taps: tuple[int, ...] = ()
    """The numbers of the taps that asked for it."""


class Samples(msgspec.Struct, frozen=True, tag="samples"):
    """A batch. What was dropped is only counted: `reports.ProcessCounters.samples_dropped`."""

    exchanges: tuple[ExchangeSample, ...]


Row = tuple[Any, ...]
"""An `ExchangeSample` as it is encoded, which takes a third of the time that the classes take to make."""


def encoded(sample: ExchangeSample | Row) -> bytes:
    """`sample` as it stands in a line: a quarter of the memory, and a second one is made where the first was."""
    return _encoder.encode(sample)


def line_of(samples: Sequence[bytes]) -> bytes:
    """The line of `Samples` with these `encoded` ones, its newline included."""
    return b'{"type":"samples","exchanges":[%b]}\n' % b",".join(samples)


_encoder = msgspec.json.Encoder()
