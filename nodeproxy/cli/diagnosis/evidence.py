"""What all steps of a diagnosis are judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeproxy.cli.diagnosis.trials import Replied, Resolved
from nodeproxy.mesh.diagnosis import CallerFacts, Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The answers of the control process and the trials; a trial that was not made is None or empty."""

    facts: Facts
    in_cluster: bool = False
    """Whether the source is an API server: then pods need DNS."""
    wants_http: bool = False
    """Whether the name was a URL: then the port must take HTTP."""
    node_dns: Resolved | None = None
    """None if the setting dns is empty, or there was nothing to ask for."""
    cluster_dns: Resolved | None = None
    local: bool | None = None
    """Whether the service's own address is one of this node's."""
    connects: Mapping[str, str] = field(default_factory=dict)
    """What became of a connection to each endpoint; see `trials.connect`."""
    reply: Replied | None = None
    caller_before: CallerFacts | None = None
    """The caller some seconds before `facts`."""

    @property
    def name(self) -> str:
        """The service, as `reviews.shop`."""
        return f"{self.facts.service}.{self.facts.namespace}"
