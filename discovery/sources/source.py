"""The seam between where objects come from and what becomes of them: a source feeds batches of changes.

A folder of YAML is one source, a watch of an API server another; behind this seam nobody knows which it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from discovery.kubernetes.changes import ObjectChange
from discovery.problem import Problem
from nodeproxy.mesh.wire import Snapshot


class Followed(NamedTuple):
    """From here on, what is known of this service's endpoints is all there is; `key` is `<namespace>/<name>`."""

    key: str


class Unfollowed(NamedTuple):
    """Nothing is known of this service's endpoints any more, because nobody wants to."""

    key: str


Change = ObjectChange | Followed | Unfollowed


@dataclass(frozen=True, slots=True)
class Batch:
    """What has changed since the batch before, and how the source is.

    `problems` are all that the source knows now, not only new ones. `in_sync` says that the objects fed so far are
    those the source has; while it is false, the last good ones are in force and grow old.
    """

    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    in_sync: bool = True
    snapshots: tuple[Snapshot, ...] = ()
    """What workers are told beside services."""


class Source(Protocol):
    """Feeds batches to `take` until it is cancelled; the first batch in sync brings every object there is."""

    async def run(self, take: Callable[[Batch], None]) -> None:
        """Feed, for good."""
        ...
