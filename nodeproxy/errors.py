"""The errors of an exchange. A class states the status sent to the client, and which side is at fault."""

from collections.abc import Iterable
from typing import ClassVar, Literal

PODS_NAMED = 5  # names of pods in a message: enough to see the pattern
Fault = Literal["client", "mesh", "endpoint"]


class ProxyError(Exception):
    """An exchange without an endpoint's response. The text is for the operator: what, where, what to check."""

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "internal"
    """The value of `x-mesh-error`, and a metric's label: from a small fixed set."""
    fault: ClassVar[Fault] = "mesh"
    lines: bytes = b""
    """Field lines that a policy adds to the response that reports this error."""


class BadRequest(ProxyError):
    """The client sent something other than one well-formed request."""

    status = 400
    reason = "bad-request"
    fault: ClassVar[Fault] = "client"


class HeadTimeout(BadRequest):
    """The request's head began and did not end in time."""

    status = 408
    reason = "head-timeout"


class BodyTimeout(BadRequest):
    """The request's body began and no more bytes arrived in time."""

    status = 408
    reason = "body-timeout"


class TargetTooLong(BadRequest):
    """The request line exceeds its limit."""

    status = 414
    reason = "target-too-long"


class ForwardsUsedUp(BadRequest):
    """OPTIONS with Max-Forwards 0: not a failure, and this proxy responds itself (RFC 9110, 7.6.2)."""

    status = 200
    reason = "max-forwards"


class ExpectationFailed(BadRequest):
    """An Expect field that asks for anything but 100-continue (RFC 9110, 10.1.1)."""

    status = 417
    reason = "unknown-expectation"


class HeadTooLarge(BadRequest):
    """The head has too many bytes or fields."""

    status = 431
    reason = "head-too-large"


class BodyTooLarge(ProxyError):
    """The request has a larger body than the policy `maxRequestBody` of the service allows."""

    status = 413
    reason = "body-too-large"
    fault: ClassVar[Fault] = "client"


class MethodNotSupported(BadRequest):
    """CONNECT to a listener that does not support it, or TRACE with Max-Forwards 0."""

    status = 501
    reason = "method-not-supported"


class CodingNotSupported(BadRequest):
    """A transfer coding other than chunked (RFC 9112, 6.1)."""

    status = 501
    reason = "coding-not-supported"


class ConnectRefused(ProxyError):
    """CONNECT to a target that is not an HTTP port of a service: the mesh forwards to no other."""

    status = 403
    reason = "connect-refused"
    fault: ClassVar[Fault] = "client"


class VersionNotSupported(BadRequest):
    """An HTTP version that this listener does not support."""

    status = 505
    reason = "version-not-supported"


class ClientGone(ProxyError):
    """The client closed its connection, possibly within its body: no response can be sent."""

    status = 499  # nginx's number for it, only ever seen in logs and metrics
    reason = "client-gone"
    fault: ClassVar[Fault] = "client"


class UnknownService(ProxyError):
    """No service of the mesh has the requested name."""

    status = 404
    reason = "unknown-service"
    fault: ClassVar[Fault] = "client"


class UnknownPod(UnknownService):
    """The service has no ready pod of that host name; `have` are those it has."""

    def __init__(self, service: str, pod: str, have: Iterable[str]) -> None:
        some = ", ".join(sorted(have)[:PODS_NAMED]) or "none with a name"
        super().__init__(f"service {service} has no ready pod {pod}; it has {some}")


class NotReady(ProxyError):
    """This worker has received no table from discovery yet."""

    status = 503
    reason = "no-table-yet"


class EndpointsUnknown(ProxyError):
    """The service is known, and discovery has not sent its endpoints yet."""

    status = 503
    reason = "endpoints-unknown"


class RateLimited(ProxyError):
    """More requests than the policy `rateLimit` of the service allows."""

    status = 429
    reason = "rate-limited"
    fault: ClassVar[Fault] = "client"


class OverShare(ProxyError):
    """Too many requests of this caller wait for their turn already, by the policy `fairness` of the service."""

    status = 503
    reason = "over-share"
    fault: ClassVar[Fault] = "client"


class CircuitOpen(ProxyError):
    """The circuit of the service's policy `circuitBreaker` is open."""

    status = 503
    reason = "circuit-open"
    fault: ClassVar[Fault] = "endpoint"


class Overloaded(ProxyError):
    """More requests at once than the policy `adaptiveConcurrency` finds the service to bear."""

    status = 503
    reason = "overloaded"
    fault: ClassVar[Fault] = "endpoint"


class UnknownCaller(ProxyError):
    """The name depends on the caller's namespace, and the caller is unknown: its pod may be too new."""

    status = 503
    reason = "unknown-caller"


class OutOfDescriptors(ProxyError):
    """This process can open no socket: its own limit is reached, for every endpoint."""

    status = 503
    reason = "out-of-descriptors"


class WorkerFull(ProxyError):
    """This worker has as many connections that never make way for others as it may."""

    status = 503
    reason = "worker-full"


class ConnectionPoolFull(ProxyError):
    """The service has as many connections or requests as its policy `connectionPool` allows."""

    status = 503
    reason = "connection-pool-full"


class PolicyFailed(ProxyError):
    """A custom policy raised an exception, or returned something that is no response."""

    reason = "policy-failed"
    """That of each policy names it: `policy-failed:<name>`."""


class NoEndpoints(ProxyError):
    """The service is known and has no endpoints."""

    status = 503
    reason = "no-endpoints"


class ProtocolMismatch(ProxyError):
    """A policy sends what a client says to a service port that does not take its protocol."""

    status = 503
    reason = "protocol-mismatch"


class NoOtherEndpoint(NoEndpoints):
    """A second attempt beside the first needs another endpoint, and the service has none."""

    reason = "no-other-endpoint"


class EndpointError(ProxyError):
    """The endpoint failed: no connection, or no complete, valid response in time."""

    status = 502
    reason = "endpoint"
    fault: ClassVar[Fault] = "endpoint"


class ConnectFailed(EndpointError):
    """No connection to the endpoint: it has received nothing, so any request may be sent to a different one."""

    status = 503
    reason = "connect-failed"


class ConnectionLost(EndpointError):
    """The endpoint's connection ended before its response was complete."""

    reason = "connection-lost"


class StreamReset(EndpointError):
    """The endpoint has reset the request's stream (HTTP/2) with the error code `code`, on a connection that goes on."""

    reason = "stream-reset"

    def __init__(self, text: str, code: int = 2) -> None:
        super().__init__(text)
        self.code = code


class EndpointLeft(EndpointError):
    """The endpoint has left the service, and a gRPC call or connection that it has was not over some time later."""

    status = 503
    reason = "endpoint-left"


class Unprocessed(ConnectFailed):
    """The endpoint says that it has not looked at the request: GOAWAY or REFUSED_STREAM (RFC 9113, 8.7)."""

    reason = "unprocessed"


class BadResponse(EndpointError):
    """The endpoint sent something other than one unambiguous response."""

    reason = "bad-response"


class ResponseHeadersTooLarge(BadResponse):
    """The head of the endpoint's response is larger than the proxy reads, or than `maxResponseHeaders` allows."""

    reason = "response-headers-too-large"


class DeadlinePassed(EndpointError):
    """The deadline of the exchange has passed."""

    status = 504
    reason = "timeout"


class AttemptTimedOut(DeadlinePassed):
    """One attempt has taken too long, and the exchange has time left: it may be sent again."""

    reason = "attempt-timeout"
