"""What a page of metrics is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from discovery.observe.traces.queue import SpanCounters
from discovery.observe.usage import Usage
from discovery.workers.reports import Numbers
from nodeproxy.mesh.build import Build
from nodeproxy.mesh.wire import PolicyMap, WatchCounts


@dataclass(frozen=True, slots=True)
class Source:
    """How fresh what the workers have is."""

    out_of_sync_s: float = 0.0
    """Since the source was last in sync; 0 while it is."""
    services: int = 0
    unsubscribed: int = 0
    """Services whose endpoints this node does not follow."""
    watches: Sequence[WatchCounts] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What a page is made of, at one time."""

    numbers: Numbers
    policy_maps: Sequence[PolicyMap] = ()
    limit_servers: Mapping[str, bool] = field(default_factory=dict)
    """Whether each answers, by URL."""
    source: Source = Source()
    build: Build = field(default_factory=Build)
    usage: Sequence[Usage] = ()
    """Of the processes of the node."""
    spans: SpanCounters = field(default_factory=SpanCounters)
    """What became of spans."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """What was left out of a page; see `bounds`."""

    merged: int = 0
    step: int = 0
