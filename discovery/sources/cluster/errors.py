"""Failures of a request to an API server. The class determines what to do next."""


class ApiError(Exception):
    """The request is retried after a pause. The text is for the operator."""

    retry_after_s: float = 0.0
    """The server's own subscription; 0 when it has none."""


class Unreachable(ApiError):
    """No response: refused, reset, timed out, cut off."""


class Busy(ApiError):
    """429 or a server error."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Gone(ApiError):
    """410: the version is too old; the list has to be read again."""


class Unauthorized(ApiError):
    """401: the token is not accepted, or not any more."""


class Refused(ApiError):
    """400: the request is wrong; it will not be accepted later either."""


class Forbidden(ApiError):
    """403: a permission is missing."""


class NotFound(ApiError):
    """404: the object or its namespace does not exist."""


class Conflict(ApiError):
    """409: the name exists already, or the object has changed since it was read."""


class Unreadable(ApiError):
    """The response is not one of an API server."""


def of_status(status: int, text: str, retry_after_s: float = 0.0) -> ApiError:
    """The error for an HTTP status, or for the code of a Status object."""
    known = {400: Refused, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone}.get(status)
    if known is not None:
        return known(text)
    return Busy(f"{status}: {text}", retry_after_s)
