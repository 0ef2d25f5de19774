"""A gRPC call: what an exchange has beside a request and a response."""

from math import inf

from nodeproxy.protocol.grpc import ABSENT, status_of_http, timeout_line


class Call:
    """The deadline that the client has set, and the status that it got."""

    __slots__ = ("deadline", "status")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        """When the client gives up, monotonic seconds; infinite if it has not said so."""
        self.status = ABSENT
        """The grpc-status that the client got; ABSENT before the end."""

    def end(self, status: int) -> int:
        """The grpc-status with which it has ended; by the HTTP `status` if none was sent, as after a cancellation."""
        if self.status == ABSENT:
            self.status = status_of_http(status)
        return self.status

    def lines(self, now: float) -> bytes:
        """The field lines that the call adds to a request sent at `now`: the time that is left."""
        return b"" if self.deadline == inf else timeout_line(self.deadline - now)
