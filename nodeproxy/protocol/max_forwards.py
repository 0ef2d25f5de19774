"""The field Max-Forwards, which limits how often TRACE and OPTIONS are forwarded. Source: RFC 9110, 7.6.2."""

from nodeproxy.errors import BadRequest, ForwardsUsedUp, MethodNotSupported
from nodeproxy.protocol.fields import Fields, without

_METHODS = (b"TRACE", b"OPTIONS")  # other methods are forwarded with the field as it is
_DIGITS = 18  # as Content-Length


def counted(block: bytes, method: bytes) -> bytes:
    """The fields of a request, with Max-Forwards decremented if it is present and applies to `method`.

    Raises:
        ForwardsUsedUp: it is 0, so OPTIONS ends here.
        MethodNotSupported: it is 0, so TRACE ends here.
        BadRequest: it is not one number.
    """
    if method not in _METHODS:
        return block
    values = Fields(block).values(b"max-forwards")
    if not values:
        return block
    if len(values) > 1 or not values[0].isdigit() or len(values[0]) > _DIGITS:
        raise BadRequest("Max-Forwards is not one number")
    if int(values[0]) == 0:
        if method == b"TRACE":
            raise MethodNotSupported("Max-Forwards ends TRACE at the mesh, which reflects no request")
        raise ForwardsUsedUp("Max-Forwards ends OPTIONS at the mesh, which sends all methods on")
    return b"%bMax-Forwards: %d\r\n" % (without(block, (b"max-forwards",)), int(values[0]) - 1)
