"""Samples of ended exchanges, as the control process gets them."""

from collections.abc import Callable

from nodeproxy.exchange.attempt import Attempt
from nodeproxy.exchange.recording import Recording
from nodeproxy.exchange.tracing import Trace
from nodeproxy.mesh.samples import TEXT_MOST, Row


class Sampler:
    """The sink of traced exchanges."""

    __slots__ = ("_add", "_wall")

    def __init__(self, add: Callable[[Row], None], wall: Callable[[], float]) -> None:
        """`add` takes the samples; `wall` returns seconds since 1970."""
        self._add = add
        self._wall = wall

    def __call__(self, recording: Recording) -> None:
        """See Sink."""
        self._add(sample_of(recording, self._wall))


def sample_of(recording: Recording, wall: Callable[[], float], taps: tuple[int, ...] = ()) -> Row:
    """The sample of `recording`, which has just ended; `wall` returns seconds since 1970.

    Its parts are those of `ExchangeSample`, in their order.
    """
    exchange = recording.exchange
    request, call, trace, started = exchange.request, exchange.call, recording.trace, exchange.started
    attempts, events = recording.attempts, recording.events
    return (
        wall() - recording.elapsed_s,
        recording.elapsed_s,
        request.method[:TEXT_MOST].decode("latin-1"),
        request.authority[:TEXT_MOST].decode("latin-1"),
        request.path[:TEXT_MOST].decode("latin-1"),
        request.version.decode("latin-1"),
        exchange.client,
        exchange.caller.labels,
        recording.service_port,
        recording.status,
        recording.reason,
        None if call is None else call.status,
        exchange.not_retried,
        (_attempt(attempts[0], started),) if len(attempts) == 1 else [_attempt(each, started) for each in attempts],
        [(at - started, *what) for at, *what in events] if events else (),
        recording.left_out,
        None if trace is None else _trace(trace),
        exchange.rule,
        taps,
    )


def _attempt(attempt: Attempt, started: float) -> Row:
    """As `AttemptSample`."""
    first_byte, outcome = attempt.first_byte, attempt.outcome
    return (
        attempt.endpoint.name,
        max(0.0, attempt.began - started),  # it has the time of the reactor's turn, which may be older
        None if first_byte is None else first_byte - started,
        attempt.ended - started,
        attempt.status,
        "cancelled" if outcome is None else outcome,
        attempt.exchange.only_untried,
        attempt.span_id.decode("latin-1"),
    )


def _trace(trace: Trace) -> Row:
    """As `TraceSample`."""
    parent = trace.parent
    return (
        trace.trace_id.decode("latin-1"),
        trace.span_id.decode("latin-1"),
        parent.span_id.decode("latin-1"),
        trace.state.decode("latin-1"),
    )
