"""Makes of a recording the sample that is sent to the control process."""

from collections.abc import Callable

from nodeproxy.exchange.recording import Recording, Tried
from nodeproxy.exchange.tracing import Trace
from nodeproxy.mesh.samples import (
    TEXT_MOST,
    AttemptSample,
    EventSample,
    ExchangeSample,
    TraceSample,
)


class Sampler:
    """The sink of traced exchanges."""

    __slots__ = ("_add", "_wall")

    def __init__(self, add: Callable[[ExchangeSample], None], wall: Callable[[], float]) -> None:
        """`add` takes the samples; `wall` returns seconds since 1970."""
        self._add = add
        self._wall = wall

    def __call__(self, recording: Recording) -> None:
        """See Sink."""
        self._add(sample_of(recording, self._wall))


def sample_of(recording: Recording, wall: Callable[[], float], taps: tuple[int, ...] = ()) -> ExchangeSample:
    """The sample of `recording`, which has just ended; `wall` returns seconds since 1970."""
    exchange = recording.exchange
    request, call, trace, started = exchange.request, exchange.call, recording.trace, exchange.started
    return ExchangeSample(
        wall() - recording.elapsed_s,
        recording.elapsed_s,
        _text(request.method),
        _text(request.authority),
        _text(request.path),
        request.version.decode("latin-1"),
        exchange.client,
        exchange.caller.labels,
        recording.service_port,
        recording.status,
        recording.reason,
        None if call is None else call.status,
        exchange.not_retried,
        tuple([_attempt(tried, started) for tried in recording.attempts]),
        tuple([EventSample(at - started, *what) for at, *what in recording.events]) if recording.events else (),
        recording.left_out,
        None if trace is None else _trace(trace),
        exchange.rule,
        taps,
    )


def _attempt(tried: Tried, started: float) -> AttemptSample:
    attempt = tried.attempt
    first_byte, outcome = attempt.first_byte, attempt.outcome
    return AttemptSample(
        attempt.endpoint.name,
        max(0.0, attempt.began - started),  # it has the time of the reactor's turn, which may be older
        None if first_byte is None else first_byte - started,
        tried.ended - started,
        attempt.status,
        "cancelled" if outcome is None else outcome,
        tried.hedge,
        tried.span_id.decode("latin-1"),
    )


def _trace(trace: Trace) -> TraceSample:
    parent = trace.parent
    return TraceSample(
        trace.trace_id.decode("latin-1"),
        trace.span_id.decode("latin-1"),
        parent.span_id.decode("latin-1"),
        trace.state.decode("latin-1"),
    )


def _text(received: bytes) -> str:
    return received[:TEXT_MOST].decode("latin-1")
