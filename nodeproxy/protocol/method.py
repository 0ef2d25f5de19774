"""Properties of request methods."""

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""Methods that may be sent again even if the endpoint may have received them. Source: RFC 9110, 9.2.2."""
