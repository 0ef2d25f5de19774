"""Request methods and what may be assumed of them."""

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""May be sent again when it is not known whether they were received. Source: RFC 9110, 9.2.2."""
