"""Alerts to a client whose handshake the mesh does not pass on. Source: RFC 8446, 6; RFC 6066, 3."""

DECODE_ERROR = 50
INTERNAL_ERROR = 80
MISSING_EXTENSION = 109  # RFC 8446, 9.2: the answer of a server that needs a server name, to a hello without one
UNRECOGNIZED_NAME = 112
_FATAL = 2


def fatal(description: int) -> bytes:
    """A fatal alert as a record, before any version is agreed on: clients of all versions accept that of TLS 1.2."""
    return bytes((21, 3, 3, 0, 2, _FATAL, description))
