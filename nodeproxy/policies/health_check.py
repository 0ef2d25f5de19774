"""`healthCheck`: active probes of every endpoint, off by default. `control.probes` sends them."""

from typing import Annotated

from pydantic import Field

from nodeproxy.policies.block import Duration, Policy, PolicySettings

Positive = Annotated[Duration, Field(gt=0)]


class HealthCheckSettings(PolicySettings):
    """A GET of `path` every `interval`; a status of 200 to 399 within `timeout` is a success.

    Thresholds count consecutive results. Defaults are Envoy Gateway's `healthCheck.active`.
    """

    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$")] = "/"
    interval_s: Annotated[Duration, Field(ge=0.1)] = 3.0  # below a tenth of a second, probes are the load
    timeout_s: Positive = 1.0
    unhealthy_threshold: Annotated[int, Field(ge=1)] = 3
    healthy_threshold: Annotated[int, Field(ge=1)] = 1


POLICY = Policy("healthCheck", HealthCheckSettings)
