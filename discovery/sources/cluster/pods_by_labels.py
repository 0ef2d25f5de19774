"""Follows the pods that have labels which policy tables ask for: one watch per selection, its answers joined by pod.

Only the names of these pods are kept: that a watch has a pod means that the pod has the labels.
"""

from collections.abc import Callable, Iterator, Set

from msgspec import Struct

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.objects import Metadata, Object, Ref
from discovery.kubernetes.pod_labels import SelectedPod
from discovery.sources.cluster.part import Part
from discovery.sources.cluster.watch import Resource
from discovery.sources.source import Change, PodSelection, Selected, Unselected


class NameMetadata(Struct, frozen=True):
    """`metadata` reduced to the name."""

    name: str
    namespace: str | None = None


class NamedPod(Object, frozen=True, kw_only=True):
    """A Pod of which only the name is read."""

    metadata: NameMetadata  # type: ignore[assignment]  # has fewer fields than other objects'


def pods_with(selection: PodSelection) -> Resource:
    """The pods of a selection."""
    path, query = f"/api/v1/namespaces/{selection.namespace}/pods", {"labelSelector": selection.selector}
    why = "subsets of services; without its pods, a subset by labels has no endpoint"
    return Resource("Pod", path, NamedPod, query, required=False, why=why)


class PodsByLabels:
    """Runs the needed watches. `start` starts one and returns the function that ends it."""

    def __init__(self, start: Callable[[Resource], tuple[Part, Callable[[], None]]]) -> None:
        self._start = start
        self._running: dict[PodSelection, tuple[Part, Callable[[], None]]] = {}
        self._wanted: Set[PodSelection] = frozenset()
        self._settled: set[PodSelection] = set()
        self._selectors: dict[Ref, frozenset[str]] = {}

    def want(self, selections: Set[PodSelection]) -> None:
        """Sets the selections whose pods are needed."""
        self._wanted = selections

    def parts(self) -> Iterator[Part]:
        """The current watches."""
        for part, _ in self._running.values():
            yield part

    def step(self) -> list[Change]:
        """Starts and ends watches as needed; returns the changes since the last step."""
        before: dict[Ref, frozenset[str]] = {}
        left: list[Change] = [Unselected(each) for each in sorted(self._settled - self._wanted)]
        for selection in sorted(self._running.keys() - self._wanted):
            part, end = self._running.pop(selection)
            end()
            for ref in [*part.known]:
                self._set(ref, selection.selector, False, before)
        for selection in sorted(self._wanted - self._running.keys()):
            self._running[selection] = self._start(pods_with(selection))
        for selection, (part, _) in self._running.items():
            for change in part.taken():
                self._set(change.ref, selection.selector, isinstance(change, PutObject), before)
        settled = {selection for selection, (part, _) in self._running.items() if part.settled}
        arrived, self._settled = settled - self._settled, settled
        return [*left, *self._pods(before), *map(Selected, sorted(arrived))]

    def _set(self, ref: Ref, selector: str, has: bool, before: dict[Ref, frozenset[str]]) -> None:
        selectors = self._selectors.get(ref, frozenset())
        before.setdefault(ref, selectors)
        changed = selectors | {selector} if has else selectors - {selector}
        if changed:
            self._selectors[ref] = changed
        else:
            self._selectors.pop(ref, None)

    def _pods(self, before: dict[Ref, frozenset[str]]) -> Iterator[Change]:
        """The pods whose selectors are not those of `before`."""
        for ref, selectors in before.items():
            now = self._selectors.get(ref)
            if now is None:
                yield DeleteObject(ref)
            elif now != selectors:
                metadata = Metadata(ref.name, ref.namespace)
                yield PutObject(ref, SelectedPod(metadata=metadata, selectors=tuple(sorted(now))))
