"""The two messages of gRPC's health check, `grpc.health.v1.Health/Check`.

Both have one field, so they are read and written here by hand.
Source: grpc/doc/health-checking.md; protobuf.dev/programming-guides/encoding; PROTOCOL-HTTP2.md for the prefix.
"""

PATH = "/grpc.health.v1.Health/Check"
SERVING = 1  # of enum ServingStatus
_SERVICE = 0x0A  # field 1, a string
_STATUS = 0x08  # field 1, an enum
_PREFIX_BYTES = 5
_NUMBER_BITS = 63  # that the first nine bytes of a varint have; it has ten at most. One of 64 kB takes half a second
_SIZES = {1: 8, 5: 4}  # of the wire types with a fixed size


def request_message(service: str) -> bytes:
    """HealthCheckRequest for a service by its gRPC name, "" for the server as a whole, with its length before it."""
    name = service.encode()
    message = bytes([_SERVICE]) + _number(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def is_serving(body: bytes) -> bool:
    """Whether the body of a response is a HealthCheckResponse that says SERVING; any other bytes say that it is not."""
    if len(body) < _PREFIX_BYTES or body[0] or len(body) < _PREFIX_BYTES + int.from_bytes(body[1:5], "big"):
        return False
    try:
        return _status(body[_PREFIX_BYTES : _PREFIX_BYTES + int.from_bytes(body[1:5], "big")]) == SERVING
    except (IndexError, KeyError):
        return False


def _status(message: bytes) -> int:
    """The last value of field 1; 0, UNKNOWN, without one. Fields of later versions are skipped."""
    at, status = 0, 0
    while at < len(message):
        tag, at = _read_number(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _read_number(message, at)
            if tag == _STATUS:
                status = value
        elif kind == 2:
            size, at = _read_number(message, at)
            at += size
        else:
            at += _SIZES[kind]
    if at > len(message):
        raise IndexError(at)
    return status


def _number(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _read_number(message: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while message[at] & 0x80:
        if shift >= _NUMBER_BITS:
            raise IndexError(at)
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1
