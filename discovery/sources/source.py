"""The interface of a source: it passes on batches of changes.

Sources are a folder of YAML and an API server; consumers do not depend on which.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from discovery.kubernetes.changes import ObjectChange
from discovery.problem import Problem
from nodeproxy.mesh.wire import Snapshot


class Followed(NamedTuple):
    """All endpoints of this service are known from now on; `key` is `<namespace>/<name>`."""

    key: str


class Unfollowed(NamedTuple):
    """The endpoints of this service are not followed any more, for lack of a subscription."""

    key: str


class PodSelection(NamedTuple):
    """The pods of a namespace that have some labels; `selector` as `mesh.selectors.selector_text` writes them."""

    namespace: str
    selector: str


class Selected(NamedTuple):
    """All pods of this selection are known from now on, or never will be for lack of permission."""

    selection: PodSelection


class Unselected(NamedTuple):
    """The pods of this selection are not followed any more: no table asks for them."""

    selection: PodSelection


Change = ObjectChange | Followed | Unfollowed | Selected | Unselected


@dataclass(frozen=True, slots=True)
class Batch:
    """The changes since the previous batch, and the state of the source.

    `problems` are all current problems of the source, not only new ones. `in_sync` is true if all objects of the source
    have been passed on; while it is false, the last good ones stay in force.
    """

    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    in_sync: bool = True
    snapshots: tuple[Snapshot, ...] = ()
    """Sent to workers in addition to services."""


class Source(Protocol):
    """Calls `take` with batches until cancelled; the batches up to the first in sync have every object."""

    async def run(self, take: Callable[[Batch], None]) -> None:
        """Runs until cancelled."""
        ...
