"""Everything that can go wrong with an exchange. A class answers two questions: which status tells the client, and
whose fault it is.
"""

from typing import ClassVar, Literal

Fault = Literal["client", "mesh", "endpoint"]


class ProxyError(Exception):
    """An exchange that has no response of an endpoint. The text is for the operator: what, where, what to check."""

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "internal"
    """The value of `x-mesh-error`, and a metric's label: few, fixed words."""
    fault: ClassVar[Fault] = "mesh"


class BadRequest(ProxyError):
    """What the client sent is not one well-formed request."""

    status = 400
    reason = "bad-request"
    fault: ClassVar[Fault] = "client"


class HeadTimeout(BadRequest):
    """A head that has begun and does not end."""

    status = 408
    reason = "head-timeout"


class BodyTimeout(BadRequest):
    """A body that has begun, and of which nothing more comes."""

    status = 408
    reason = "body-timeout"


class TargetTooLong(BadRequest):
    """A request line beyond its limit."""

    status = 414
    reason = "target-too-long"


class ForwardsUsedUp(BadRequest):
    """OPTIONS that is meant to end here: no mistake, and answered here all the same (RFC 9110, 7.6.2)."""

    status = 200
    reason = "max-forwards"


class ExpectationFailed(BadRequest):
    """An Expect field that asks for anything but 100-continue (RFC 9110, 10.1.1)."""

    status = 417
    reason = "unknown-expectation"


class HeadTooLarge(BadRequest):
    """A head with too many bytes or fields."""

    status = 431
    reason = "head-too-large"


class MethodNotSupported(BadRequest):
    """CONNECT, where it is not understood. TRACE that is meant to end here."""

    status = 501
    reason = "method-not-supported"


class CodingNotSupported(BadRequest):
    """A transfer coding beside chunked (RFC 9112, 6.1)."""

    status = 501
    reason = "coding-not-supported"


class ConnectRefused(ProxyError):
    """CONNECT to something else than the HTTP port of a service: nothing else is reached through the mesh."""

    status = 403
    reason = "connect-refused"
    fault: ClassVar[Fault] = "client"


class VersionNotSupported(BadRequest):
    """A version of HTTP that this listener does not speak."""

    status = 505
    reason = "version-not-supported"


class ClientGone(ProxyError):
    """The client has hung up or its body broke off: nobody is left to tell."""

    status = 499  # nginx's number for it, only ever seen in logs and metrics
    reason = "client-gone"
    fault: ClassVar[Fault] = "client"


class UnknownService(ProxyError):
    """No service of the mesh has the name that was asked for."""

    status = 404
    reason = "unknown-service"
    fault: ClassVar[Fault] = "client"


class NotReady(ProxyError):
    """The mesh has not heard from discovery yet, so it cannot know."""

    status = 503
    reason = "no-table-yet"


class EndpointsUnknown(ProxyError):
    """The service is known, and discovery has not yet said what stands behind it."""

    status = 503
    reason = "endpoints-unknown"


class UnknownCaller(ProxyError):
    """A name that depends on who calls, from somebody who is not known: it may be too young for that."""

    status = 503
    reason = "unknown-caller"


class NoEndpoints(ProxyError):
    """The service is known and nothing stands behind it."""

    status = 503
    reason = "no-endpoints"


class EndpointError(ProxyError):
    """An endpoint did not do its part."""

    status = 502
    reason = "endpoint"
    fault: ClassVar[Fault] = "endpoint"


class ConnectFailed(EndpointError):
    """No connection to the endpoint: it has received nothing, so every request may go elsewhere."""

    status = 503
    reason = "connect-failed"


class ConnectionLost(EndpointError):
    """The endpoint's connection ended before its response did."""

    reason = "connection-lost"


class BadResponse(EndpointError):
    """What the endpoint sent is not one unambiguous response."""

    reason = "bad-response"


class DeadlinePassed(EndpointError):
    """The exchange's time is over."""

    status = 504
    reason = "timeout"
