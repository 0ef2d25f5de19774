"""One watch as a part of the source: what it has told and nobody has taken yet, and how it is."""

from collections.abc import Callable, Mapping

from discovery.kubernetes.changes import ObjectChange
from discovery.kubernetes.objects import Object, Ref
from discovery.problem import Problem
from discovery.sources.cluster.errors import ApiError, Forbidden
from discovery.sources.cluster.outage import Outage
from discovery.sources.cluster.watch import Api, Resource, Watch, World
from nodeproxy.mesh.wire import Watched


class Part:
    """Follows one resource; `wake` is called when there is something to take, or its state has changed."""

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
        """The objects there are."""
        return self._watch.known

    @property
    def in_sync(self) -> bool:
        """Whether what it has told is what there is; what may be missing and is forbidden does not count."""
        return self._outage.error is None or self._does_without

    @property
    def settled(self) -> bool:
        """Whether everything has been told once, as far as it ever will."""
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
        """The changes so far; they are given once."""
        changes, self._changes = self._changes, []
        return changes

    def problem(self) -> Problem | None:
        """What an operator has to know; a missing permission at once, a short outage not at all."""
        error = self._outage.worth_reporting
        if isinstance(error, Forbidden):
            cure = f"give nodeproxy's service account get, list and watch of {self.resource.path}"
            until = "" if self.resource.required else f"; the mesh goes on without ({self.resource.why})"
            message = f"the API server forbids it: {error}; {cure}{until}"
            return Problem(message, subject=self.resource.kind, severity=self.resource.severity)
        if error is None:
            return None
        return Problem(f"not followed, the last good state is in force: {error}", subject=self.resource.kind)

    def watched(self) -> Watched:
        """For who wants to know."""
        selectors = " ".join(f"{name}={value}" for name, value in self.resource.query.items())
        what = f"{self.resource.path} {selectors}".rstrip()
        return Watched(what, self.resource.why, len(self.known), str(self._outage.error or ""))

    @property
    def _does_without(self) -> bool:
        return not self.resource.required and isinstance(self._outage.error, Forbidden)
