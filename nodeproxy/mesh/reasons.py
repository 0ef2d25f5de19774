"""What each reason of an error means and what to do, for the page and docs/troubleshooting.md. Pure.

A reason is the value of the field `x-mesh-error`, of the label `reason` of metrics and of the field `reason` of logs.
"""

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "attempt-timeout": (
        "One attempt took longer than timeouts.backendRequest of the service allows; see whether its endpoints are "
        "slow, or raise the limit."
    ),
    "bad-request": (
        "The client sent something other than one well-formed HTTP request; check what speaks to this port, and "
        "whether it is HTTP."
    ),
    "bad-response": (
        "The endpoint sent something other than one valid HTTP response; check which protocol its port speaks, "
        "and the policy protocol."
    ),
    "body-timeout": (
        "The client began the body of its request and stopped sending; check the client, or timeouts.idle of the "
        "service."
    ),
    "body-too-large": (
        "The body of the request is larger than the policy maxRequestBody of the service allows; send less, or "
        "raise that limit."
    ),
    "cancelled": (
        "The exchange was ended from the proxy's side before it was complete, as by a drain; nothing is wrong if "
        "a node was being updated."
    ),
    "circuit-open": (
        "Too many requests to the service have failed, so its policy circuitBreaker sends none for now; look at "
        "why its endpoints fail."
    ),
    "client-gone": (
        "The client closed its connection before the response was complete; its own time limit is probably "
        "shorter than what the service needs."
    ),
    "coding-not-supported": (
        "The client used a transfer coding other than chunked; make it send the body as it is or chunked."
    ),
    "connect-failed": (
        "No connection to the endpoint could be opened, and it has received nothing; check that its process "
        "listens at the port, and NetworkPolicies."
    ),
    "connect-refused": (
        "A CONNECT named a target that is not an HTTP port of a service; the mesh connects to its own services only."
    ),
    "connection-lost": (
        "The endpoint's connection ended before its response was complete; see whether its process was restarted, "
        "ran out of memory, or closes idle connections early."
    ),
    "connection-pool-full": (
        "The service has as many connections or requests at once as its policy connectionPool allows; raise the "
        "limit, or add endpoints."
    ),
    "cors-refused": (
        "The policy cors of the service does not allow the origin or the preflight of this request; add the "
        "origin, method or field there if it is yours."
    ),
    "drained": (
        "The connection was ended because this proxy is being stopped or updated; the client is to connect again."
    ),
    "endpoint": "The endpoint failed to answer in a way that has no name of its own; look at its log at this time.",
    "endpoint-left": (
        "The endpoint left the service while it had this long call or connection; the client is to open a new one."
    ),
    "endpoints-unknown": (
        "The service is known, and its endpoints have not come from the API server in time; see the watches in "
        "`nodeproxy status`."
    ),
    "fault-injected": (
        "The policy fault of the service answered in place of an endpoint, as it is meant to; remove it when the "
        "test is over."
    ),
    "head-timeout": (
        "The client began the head of a request and did not finish it within head_timeout_s; check the client and "
        "what is between."
    ),
    "head-too-large": (
        "The head of the request has more bytes or fields than head_limit_bytes or head_limit_fields allow; look "
        "for cookies that have grown."
    ),
    "internal": "The proxy made a mistake of its own; its log has a traceback, which belongs in a bug report.",
    "max-forwards": (
        "An OPTIONS request with Max-Forwards 0 was answered by the proxy itself, as HTTP says; nothing is wrong."
    ),
    "method-not-supported": (
        "The client used CONNECT at a listener that does not support it, or TRACE with Max-Forwards 0; use "
        "another method."
    ),
    "no-endpoints": (
        "The service has no endpoint that can be used; check that its pods run, are ready, and match the selector "
        "of the Service."
    ),
    "no-other-endpoint": (
        "A second attempt needed another endpoint than the first, and the service has no further one; add "
        "endpoints for retries or hedging to help."
    ),
    "no-table-yet": (
        "This worker has just started and has not received the services yet; it passes within seconds, or see "
        "`nodeproxy status`."
    ),
    "out-of-descriptors": (
        "The proxy can open no further socket; raise the limit of open files of its container, or find what holds "
        "so many connections."
    ),
    "over-share": (
        "This caller has too many requests waiting already, by the policy fairness of the service; slow the "
        "caller down, or raise its share."
    ),
    "overloaded": (
        "The service has as many requests at once as its policy adaptiveConcurrency finds it to bear; add "
        "endpoints, or see why they have become slow."
    ),
    "policy-failed": (
        "A custom policy raised an exception or returned no response; its name follows the colon, and the "
        "proxy's log has the traceback."
    ),
    "protocol-mismatch": (
        "A policy sends these requests to a service port that does not take their protocol; correct the target of "
        "split, routes or fallback, or the port's protocol."
    ),
    "rate-limited": (
        "The policy rateLimit of the service allows no more requests for now; slow the caller down, or raise the limit."
    ),
    "response-headers-too-large": (
        "The head of the endpoint's response is larger than maxResponseHeaders allows; raise it up to the proxy's "
        "own limit, or send fewer or shorter fields."
    ),
    "stream-reset": (
        "The endpoint reset this HTTP/2 stream before its response was complete; its log at this time says why."
    ),
    "target-too-long": "The request line is longer than line_limit_bytes; shorten the URL, or raise that setting.",
    "timeout": (
        "A limit of the policy timeouts has passed: responseHead, request, or idle without a byte that moved; see "
        "whether the service's endpoints are slow, or raise the limit."
    ),
    "unknown-caller": (
        "The name has no namespace and the caller's is not known yet; use <service>.<namespace>, or try again "
        "when the pod is a few seconds old."
    ),
    "unknown-expectation": "The request expects something other than 100-continue; remove that Expect field.",
    "unknown-service": (
        "No service of the mesh has the requested name, or it has no such HTTP port; check the name with "
        "`nodeproxy services --all`."
    ),
    "unprocessed": (
        "The endpoint said that it has not looked at the request (GOAWAY or REFUSED_STREAM); it was stopping or "
        "full, and the request may be sent again."
    ),
    "version-not-supported": (
        "The client used an HTTP version that this listener does not support; use HTTP/1.1 or HTTP/2."
    ),
    "worker-full": (
        "This worker has as many lasting connections as it may; raise downstream_connections_limit, or start more "
        "workers."
    ),
}
"""One sentence for each reason: what happened, what to do."""

OWN = "policy-failed"
ENDPOINT_ANSWERED = "The endpoint itself answered with status {status}; look at its log at this time."


def reason_words(reason: str, status: int) -> str:
    """What happened to an exchange with this reason and status, and what to do.

    A reason "" is an endpoint's own response.
    """
    if not reason:
        return ENDPOINT_ANSWERED.format(status=status)
    return REASONS.get(
        reason.partition(":")[0], f"The exchange ended for the reason {reason}, which this version does not describe."
    )


def reason_anchor(reason: str) -> str:
    """The section of the documentation about a reason: `troubleshooting#no-endpoints`; "" for the reason ""."""
    return f"troubleshooting#{reason.partition(':')[0]}" if reason else ""
