"""`healthCheck`: active probes of every endpoint, off by default. `control.probes` sends them."""

from typing import Annotated

from pydantic import Field

from nodeproxy.policies.block import Duration, Policy, PolicySettings

Positive = Annotated[Duration, Field(gt=0)]


class HealthCheckSettings(PolicySettings):
    """Probes of every endpoint by every worker: a GET; a status of 200 to 399 in time is a success.

    Thresholds count consecutive results. Defaults are Envoy Gateway's `healthCheck.active`. In shadow mode probes are
    sent and their results counted, and no endpoint is taken out of use.
    """

    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$")] = "/"
    """Path and query of the probe."""

    interval_s: Annotated[Duration, Field(ge=0.1)] = 3.0  # below a tenth of a second, probes are the load
    """Between two probes of an endpoint, give or take 10 %."""

    timeout_s: Positive = 1.0
    """How long a probe may take, its response's body included."""

    unhealthy_threshold: Annotated[int, Field(ge=1)] = 3
    """After so many failures in a row an endpoint is not used."""

    healthy_threshold: Annotated[int, Field(ge=1)] = 1
    """After so many successes in a row it is used again."""


OUTCOMES = {
    "unhealthy": "an endpoint is taken out of use: `unhealthyThreshold` probes in a row failed",
    "healthy": "an endpoint is used again: `healthyThreshold` probes in a row succeeded",
}

POLICY = Policy("healthCheck", HealthCheckSettings, outcomes=OUTCOMES)
