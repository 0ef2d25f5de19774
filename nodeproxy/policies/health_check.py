"""`healthCheck`: active probes of every endpoint, off by default. `control.probes` sends them."""

from typing import Annotated

from pydantic import Field, model_validator

from nodeproxy.policies.block import Block, Duration, Policy, PolicySettings

Positive = Annotated[Duration, Field(gt=0)]


class GrpcHealth(Block):
    """A gRPC health check: a call of `grpc.health.v1.Health/Check`, for which SERVING is a success."""

    service: Annotated[str, Field(max_length=256)] = ""
    """The gRPC name of the service that is asked for, like `shop.v1.Carts`; by default the server as a whole."""


class HealthCheckSettings(PolicySettings):
    """Probes of every endpoint by every worker: a GET; a status of 200 to 399 in time is a success.

    With `grpc` it is a gRPC health check instead. Both go over HTTP/2 where the port says that it speaks that.

    On a port that carries no HTTP, and on one that does not say what it carries unless `path` or `grpc` is written, a
    probe is a connection that is closed again: accepting it in time is a success. Some servers count such connections
    as errors of their client, as MySQL does by `max_connect_errors`.

    Thresholds count consecutive results. Defaults are Envoy Gateway's `healthCheck.active`. In shadow mode probes are
    sent and their results counted, and no endpoint is taken out of use.
    """

    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$")] = "/"
    """Path and query of the probe."""

    grpc: GrpcHealth | None = None
    """Asks by gRPC, instead of `path`; `{}` asks for the server as a whole."""

    interval_s: Annotated[Duration, Field(ge=0.1)] = 3.0  # below a tenth of a second, probes are the load
    """Between two probes of an endpoint, give or take 10 %."""

    timeout_s: Positive = 1.0
    """How long a probe may take, its response's body included."""

    unhealthy_threshold: Annotated[int, Field(ge=1)] = 3
    """After so many failures in a row an endpoint is not used."""

    healthy_threshold: Annotated[int, Field(ge=1)] = 1
    """After so many successes in a row it is used again."""

    @property
    def asks(self) -> bool:
        """Whether it is written what to ask a server that speaks HTTP."""
        return self.grpc is not None or "path" in self.model_fields_set

    @model_validator(mode="after")
    def _one_question(self) -> "HealthCheckSettings":
        if self.grpc is not None and "path" in self.model_fields_set:
            raise ValueError("write path or grpc: a probe asks one question")
        return self


OUTCOMES = {
    "unhealthy": "an endpoint is taken out of use: `unhealthyThreshold` probes in a row failed",
    "healthy": "an endpoint is used again: `healthyThreshold` probes in a row succeeded",
}

POLICY: Policy = Policy("healthCheck", HealthCheckSettings, touches=("connections",), outcomes=OUTCOMES)
