"""One watch as a part of the source: its pending changes and its state."""

from collections.abc import Callable, Mapping

from discovery.kubernetes.changes import ObjectChange
from discovery.kubernetes.objects import Object, Ref
from discovery.problem import Problem, bounded
from discovery.sources.cluster.errors import ApiError, Forbidden, Refused
from discovery.sources.cluster.outage import Outage
from discovery.sources.cluster.watch import Api, Resource, Watch, World
from nodeproxy.mesh.wire import Watched


class Part:
    """Follows one resource; calls `wake` when there are changes to take, or its state has changed."""

    def __init__(self, resource: Resource, api: Api, world: World, wake: Callable[[], None]) -> None:
        self.resource = resource
        self.ever_in_sync = False
        self._outage = Outage(world.now)
        self._wake = wake
        self._changes: list[ObjectChange] = []
        self._watch = Watch(resource, api, self, world)
        self.run = self._watch.run

    @property
    def known(self) -> Mapping[Ref, Object]:
        """The current objects."""
        return self._watch.known

    @property
    def in_sync(self) -> bool:
        """Whether the objects are current; true for an optional resource that is forbidden or refused."""
        return self._outage.error is None or self._does_without

    @property
    def settled(self) -> bool:
        """Whether the first list is complete, or never will be: forbidden or refused."""
        return self.ever_in_sync or self._does_without

    def changed(self, changes: tuple[ObjectChange, ...]) -> None:
        """See `watch.Heard`."""
        self._changes += changes
        self._wake()

    def synced(self) -> None:
        """See `watch.Heard`."""
        if self._outage.error is not None or not self.ever_in_sync:
            self._wake()
        self.ever_in_sync = True
        self._outage.is_over()

    def failed(self, error: ApiError) -> None:
        """See `watch.Heard`."""
        self._outage.goes_on(error)
        self._wake()

    def taken(self) -> list[ObjectChange]:
        """Returns the pending changes and clears them."""
        changes, self._changes = self._changes, []
        return changes

    def problem(self) -> Problem | None:
        """The problem to report: a missing permission at once, an outage once it lasts."""
        error = self._outage.worth_reporting
        if isinstance(error, Forbidden):
            cure = f"grant nodeproxy's service account get, list and watch of {self.resource.path}"
            until = "" if self.resource.required else f"; the mesh works without it ({self.resource.why})"
            message = f"the API server forbids it: {error}; {cure}{until}"
            return Problem(message, subject=self.resource.kind, severity=self.resource.severity)
        if isinstance(error, Refused) and not self.resource.required:
            selectors = self.resource.query.get("labelSelector", "")
            message = f"the API server refuses {self.resource.path} {selectors}: {error}; {self.resource.why}"
            return Problem(bounded(message), subject=self.resource.kind, severity="warning")
        if error is None:
            return None
        return Problem(f"not followed, the last good state is in force: {error}", subject=self.resource.kind)

    def watched(self) -> Watched:
        """The state of the watch, for the status page."""
        selectors = " ".join(f"{name}={value}" for name, value in self.resource.query.items())
        what = f"{self.resource.path} {selectors}".rstrip()
        return Watched(what, self.resource.why, len(self.known), str(self._outage.error or ""))

    @property
    def _does_without(self) -> bool:
        return not self.resource.required and isinstance(self._outage.error, Forbidden | Refused)
