"""Makes spans of the workers' samples: one for the exchange, one for each of its attempts, in the messages of OTLP.

Source: OpenTelemetry semantic conventions 1.37, HTTP spans (stable) and gRPC; opentelemetry-proto 1.x, trace.proto.
"""

from collections.abc import Iterable, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from nodeproxy.mesh.samples import AttemptSample, EventSample, ExchangeSample

Value = str | int | bool
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
_SAMPLED = 0x01
_REMOTE = 0x100 | 0x200  # SpanFlags: it is known whether the parent is of another process, and it is
_GRPC_FAULTS = frozenset((2, 4, 12, 13, 14, 15))  # of a server, by the conventions of RPC
_NOT_RETRIED = frozenset(("exhausted", "over-budget", "out-of-time", "not-repeatable", "retry-after"))


def request_of(samples: Iterable[ExchangeSample], resource: dict[str, str]) -> tuple[ExportTraceServiceRequest, int]:
    """One request to a collector, and the number of its spans."""
    spans = [span for sample in samples for span in spans_of(sample)]
    scope = ScopeSpans(spans=spans)
    scope.scope.name = "nodeproxy"
    about = Resource(attributes=_attributes(resource))
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=about, scope_spans=[scope], schema_url=SCHEMA)]
    ), len(spans)


def spans_of(sample: ExchangeSample) -> list[Span]:
    """The spans of one exchange; none where it is not traced."""
    trace = sample.trace
    if trace is None:
        return []
    span = Span(
        trace_id=bytes.fromhex(trace.trace_id),
        span_id=bytes.fromhex(trace.span_id),
        parent_span_id=bytes.fromhex(trace.parent_id),
        trace_state=trace.state,
        flags=_SAMPLED | _REMOTE,
        name=_name(sample),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=_nanoseconds(sample.time),
        end_time_unix_nano=_nanoseconds(sample.time + sample.elapsed_s),
        attributes=_attributes(_of_exchange(sample)),
        events=[_event(sample.time, each) for each in sample.events],
        dropped_events_count=sample.left_out,
        status=_status(_is_fault(sample), sample.reason),
    )
    return [span, *(_attempt(sample, each, number) for number, each in enumerate(sample.attempts))]


def _attempt(sample: ExchangeSample, attempt: AttemptSample, number: int) -> Span:
    trace = sample.trace
    assert trace is not None  # the caller has looked
    events = []
    if attempt.first_byte_s is not None:
        events.append(Span.Event(time_unix_nano=_nanoseconds(sample.time + attempt.first_byte_s), name="first byte"))
    outcome = attempt.outcome
    return Span(
        trace_id=bytes.fromhex(trace.trace_id),
        span_id=bytes.fromhex(attempt.span_id),
        parent_span_id=bytes.fromhex(trace.span_id),
        trace_state=trace.state,
        flags=_SAMPLED | 0x100,
        name=_name(sample),
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=_nanoseconds(sample.time + attempt.began_s),
        end_time_unix_nano=_nanoseconds(sample.time + attempt.ended_s),
        attributes=_attributes(_of_attempt(sample, attempt, number)),
        events=events,
        status=_status(isinstance(outcome, str) or outcome >= 400, outcome if isinstance(outcome, str) else ""),
    )


def _name(sample: ExchangeSample) -> str:
    """Of few values: the method of gRPC, else that of HTTP with the service."""
    if sample.grpc_status is not None:
        return sample.path.lstrip("/")
    method = sample.method if sample.method in _METHODS else "HTTP"
    return f"{method} {sample.service_port}" if sample.service_port else method


def _of_both(sample: ExchangeSample) -> dict[str, Value]:
    named = sample.method in _METHODS
    found: dict[str, Value] = {"http.request.method": sample.method if named else "_OTHER"}
    if not named:
        found["http.request.method_original"] = sample.method
    if sample.grpc_status is not None:
        service, _, method = sample.path.lstrip("/").rpartition("/")
        found |= {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
    if sample.service_port:
        found["nodeproxy.service"] = sample.service_port
    return found


def _of_exchange(sample: ExchangeSample) -> dict[str, Value]:
    found = _of_both(sample)
    found |= {
        "url.scheme": "http",
        "url.path": sample.path.partition("?")[0],  # a query may hold secrets
        "network.protocol.version": sample.version,
        "client.address": sample.client,
        "nodeproxy.caller": "/".join(filter(None, sample.caller)),
    }
    if sample.authority:
        found |= _server(sample.authority, 80)
    if sample.status:
        found["http.response.status_code"] = sample.status
    if sample.grpc_status is not None and sample.grpc_status >= 0:
        found["rpc.grpc.status_code"] = sample.grpc_status
    if _is_fault(sample):
        found["error.type"] = sample.reason or str(sample.status)
    if sample.reason:
        found["nodeproxy.reason"] = sample.reason
    if sample.rule:
        found["nodeproxy.rule"] = sample.rule
    if sample.not_retried:
        found["nodeproxy.not_retried"] = sample.not_retried
    return found


def _of_attempt(sample: ExchangeSample, attempt: AttemptSample, number: int) -> dict[str, Value]:
    found = _of_both(sample)
    found |= _server(attempt.endpoint, 0)
    found |= {"url.scheme": "http", "url.path": sample.path.partition("?")[0]}
    outcome = attempt.outcome
    if attempt.status:
        found["http.response.status_code"] = attempt.status
    if isinstance(outcome, str) or outcome >= 400:
        found["error.type"] = str(outcome)
    if number:
        found["http.request.resend_count"] = number
    if attempt.hedge:
        found["nodeproxy.hedge"] = True
    return found


def _server(authority: str, otherwise: int) -> dict[str, Value]:
    host, colon, port = authority.rpartition(":")
    if colon and port.isdecimal() and not host.endswith(":"):
        return {"server.address": host.strip("[]"), "server.port": int(port)}
    return {"server.address": authority.strip("[]"), **({"server.port": otherwise} if otherwise else {})}


def _event(began: float, event: EventSample) -> Span.Event:
    about: dict[str, Value] = {"nodeproxy.policy": event.policy, "nodeproxy.outcome": event.outcome}
    if event.mode != "enforce":
        about["nodeproxy.mode"] = event.mode
    name = _event_name(event.policy, event.outcome)
    return Span.Event(time_unix_nano=_nanoseconds(began + event.at_s), name=name, attributes=_attributes(about))


def _event_name(policy: str, outcome: str) -> str:
    """The field's word for what happened; the policy's name where there is none."""
    match policy, outcome:
        case "retries", _ if outcome.startswith("retried-"):
            return "retry"
        case "retries", _ if outcome in _NOT_RETRIED:
            return "not retried"
        case "hedging", "hedged":
            return "hedge"
        case "rateLimit", "rejected":
            return "rate limited"
        case "outlierDetection", _ if outcome != "not-ejected":
            return "ejection"
    return policy


def _is_fault(sample: ExchangeSample) -> bool:
    if sample.grpc_status is not None:
        return sample.grpc_status in _GRPC_FAULTS
    return sample.status >= 500


def _status(fault: bool, text: str) -> Status | None:
    return Status(code=Status.STATUS_CODE_ERROR, message=text) if fault else None


def _attributes(values: dict[str, Value] | dict[str, str]) -> Sequence[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items()]


def _any(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(bool_value=value) if isinstance(value, bool) else AnyValue(int_value=value)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
