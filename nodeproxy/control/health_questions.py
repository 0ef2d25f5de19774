"""What a health probe asks, and which answers are good."""

from collections.abc import Callable
from dataclasses import dataclass

from nodeproxy.policies.health_check import HealthCheckSettings
from nodeproxy.protocol import grpc_health

CALL = ((b"content-type", b"application/grpc"), (b"te", b"trailers"))


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and how its response is judged: it has to be good by both, its status and its body."""

    method: str
    path: str
    by_status: Callable[[int], bool]
    by_body: Callable[[bytes], bool]
    fields: tuple[tuple[bytes, bytes], ...] = ()
    content: bytes | None = None


def question_of(settings: HealthCheckSettings) -> Question:
    """What these settings ask for.

    A gRPC server that says anything but OK in its trailers has sent no message, so the message decides.
    """
    if settings.grpc is None:
        return Question("GET", settings.path, lambda status: 200 <= status < 400, lambda _body: True)
    content = grpc_health.request_message(settings.grpc.service)
    return Question("POST", grpc_health.PATH, lambda status: status == 200, grpc_health.is_serving, CALL, content)
