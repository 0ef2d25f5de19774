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
    """The path of the probe's GET, with a query if needed."""
    interval_s: Annotated[Duration, Field(ge=0.1)] = 3.0  # below a tenth of a second, probes are the load
    """The pause between two probes of an endpoint; each is up to a tenth shorter or longer."""
    timeout_s: Positive = 1.0
    """How long a probe may take, connecting included; a longer one counts as failed."""
    unhealthy_threshold: Annotated[int, Field(ge=1)] = 3
    """So many failed probes in a row take an endpoint out of balancing."""
    healthy_threshold: Annotated[int, Field(ge=1)] = 1
    """So many successful probes in a row bring an endpoint back."""


POLICY = Policy("healthCheck", HealthCheckSettings)
