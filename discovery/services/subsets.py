"""Subsets of services: which label sets tables ask for, and which pods have them.

A source that has every pod's labels, a folder, is asked for nothing. An API server is asked for the pods of each
selection, at most `SELECTIONS_MOST` at once, and only of services whose endpoints this node follows. Until their pods
are known, `waits_for` and `holds` keep what is in force: a subset never is empty because its pods are still listed.
"""

from collections.abc import Callable, Container, Iterator

from discovery.kubernetes.changes import ObjectChange, PutObject
from discovery.kubernetes.pod_labels import SelectedPod, matches
from discovery.kubernetes.pods import Pod
from discovery.policies.label_sets import NONE, LabelSet
from discovery.services.endpoints import SubsetsOf, no_subsets
from discovery.sources.source import PodSelection, Selected, Unselected

# Each is a watch of every node that calls the service, which the API server checks every changed pod against.
SELECTIONS_MOST = 64


class Subsets:
    """What is asked for and what is known, by the key of the service whose pods they are."""

    def __init__(self) -> None:
        self.request: Callable[[frozenset[PodSelection]], None] | None = None
        """Called with the selections that the source has to follow; None if it has all pods anyway."""
        self.refused: frozenset[PodSelection] = frozenset()
        """Those beyond `SELECTIONS_MOST`; their subsets have no endpoints."""
        self.stale = False
        """Whether `settle` has something to do: what is asked for has changed, or, for the caller to say, a service."""
        self._asked: dict[str, frozenset[LabelSet]] = {}
        self._askers: dict[str, dict[str, set[str]]] = {}
        """By service and selector: the services whose tables ask for it."""
        self._pods: dict[str, dict[str, Pod | SelectedPod]] = {}
        self._known: set[PodSelection] = set()
        self._requested: frozenset[PodSelection] = frozenset()

    def ask(self, key: str, wanted: frozenset[LabelSet]) -> set[str]:
        """Sets what the table of a service asks for; returns the services with other subsets than before."""
        before = self._asked.get(key, NONE)
        if before == wanted:
            return set()
        self.stale = True
        if wanted:
            self._asked[key] = wanted
        else:
            del self._asked[key]
        for service, selector in wanted - before:
            self._askers.setdefault(service, {}).setdefault(selector, set()).add(key)
        for service, selector in before - wanted:
            self._askers[service][selector].discard(key)
            if not self._askers[service][selector]:
                del self._askers[service][selector]
            if not self._askers[service]:
                del self._askers[service]
        return {each.service for each in before ^ wanted}

    def pod(self, change: ObjectChange) -> None:
        """Takes a new, changed or deleted pod."""
        namespace, name = change.ref.namespace, change.ref.name
        pods = self._pods.setdefault(namespace, {})
        pods.pop(name, None)
        if isinstance(change, PutObject) and isinstance(change.object, Pod | SelectedPod):
            pods[name] = change.object
        if not pods:
            del self._pods[namespace]

    def inside(self, namespaces: Container[str]) -> set[str]:
        """The services in these namespaces of which tables ask for subsets."""
        return {key for key in self._askers if key.partition("/")[0] in namespaces}

    def known(self, change: Selected | Unselected) -> set[str]:
        """Takes that all pods of a selection are known; returns the services that may have waited for that."""
        selection = change.selection
        if isinstance(change, Unselected):
            self._known.discard(selection)
            return set()
        self._known.add(selection)
        services = [(key, self._askers[key].get(selection.selector)) for key in self.inside((selection.namespace,))]
        return {each for key, askers in services if askers is not None for each in (key, *askers)}

    def settle(self, followed: Container[str]) -> None:
        """Requests the pods of the services that are `followed`; if anything may have changed since."""
        if self.request is None or not self.stale:
            return
        self.stale = False
        services = [key for key in self._askers if key in followed]
        wanted = {selection_of(LabelSet(key, selector)) for key in services for selector in self._askers[key]}
        order = sorted(wanted, key=lambda each: (each not in self._requested, each))  # those in force stay
        requested, self.refused = frozenset(order[:SELECTIONS_MOST]), frozenset(order[SELECTIONS_MOST:])
        if requested != self._requested:
            self._requested = requested
            self.request(requested)

    def of(self, key: str) -> SubsetsOf:
        """The subsets that each pod of a service is in."""
        selectors, pods = sorted(self._askers.get(key, ())), self._pods.get(key.partition("/")[0])
        if not selectors or pods is None:
            return no_subsets

        def subsets_of(name: str) -> tuple[str, ...]:
            pod = pods.get(name)
            return tuple(each for each in selectors if matches(pod, each)) if pod is not None else ()

        return subsets_of

    @property
    def waiting(self) -> bool:
        """Whether pods are requested and not yet known."""
        return not self._requested <= self._known

    def rank(self, key: str) -> tuple[bool, str]:
        """The place of a service in an update: those of which tables ask for subsets come first."""
        return key not in self._askers, key

    def waits_for(self, key: str) -> bool:
        """Whether pods of this service are requested and not yet known."""
        return any(self._waits(LabelSet(key, each)) for each in self._askers.get(key, ()))

    def holds(self, wanted: frozenset[LabelSet]) -> bool:
        """Whether a table that asks for these has to wait for pods."""
        return any(map(self._waits, wanted))

    def refusals(self) -> Iterator[tuple[str, LabelSet]]:
        """The services whose tables ask for too many subsets, each with a label set that is left out."""
        for key, wanted in sorted(self._asked.items()) if self.refused else ():
            for each in sorted(wanted):
                if selection_of(each) in self.refused:
                    yield key, each

    def _waits(self, wanted: LabelSet) -> bool:
        return (selection := selection_of(wanted)) in self._requested and selection not in self._known


def selection_of(wanted: LabelSet) -> PodSelection:
    """The pods that may have these labels: labels belong to pods, whatever service they are behind."""
    return PodSelection(wanted.service.partition("/")[0], wanted.selector)
