"""What an API server, or the way to it, may answer instead of what was asked for. A class says what to do next."""


class ApiError(Exception):
    """Asked again after a while. The text is for the operator."""

    retry_after_s: float = 0.0
    """The server's own subscription; 0 when it has none."""


class Unreachable(ApiError):
    """No answer: refused, reset, timed out, broken off."""


class Busy(ApiError):
    """429 or a status of its own failure."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Gone(ApiError):
    """410: what was asked for is too long ago; the list has to be read anew."""


class Unauthorized(ApiError):
    """401: the token is not, or no longer, accepted."""


class Forbidden(ApiError):
    """403: a permission is missing."""


class NotFound(ApiError):
    """404: neither it nor what it should be in is there."""


class Conflict(ApiError):
    """409: there is one of that name already, or it is not what the change was made for any more."""


class Unreadable(ApiError):
    """Not what an API server sends."""


def of_status(status: int, text: str, retry_after_s: float = 0.0) -> ApiError:
    """The error that an HTTP status (or the code of a Status object) means."""
    known = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone}.get(status)
    if known is not None:
        return known(text)
    return Busy(f"{status}: {text}", retry_after_s)
