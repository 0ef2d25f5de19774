"""Which pods an API server is asked for, and what its answers say of them."""

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.objects import Ref
from discovery.sources.cluster.pods_by_labels import PodsByLabels
from discovery.sources.source import PodSelection, Selected, Unselected

V2, WEB, OTHER = (
    PodSelection("shop", "version=v2"),
    PodSelection("shop", "tier=web"),
    PodSelection("bank", "version=v2"),
)


class Part:
    """A watch that reports what the test says."""

    def __init__(self, resource):
        self.resource, self.settled, self.ended = resource, False, False
        self.known, self._changes = {}, []

    def has(self, *names):
        for name in names:
            ref = Ref("Pod", self.resource.path.split("/")[4], name)
            self.known[ref] = object()
            self._changes.append(PutObject(ref, self.known[ref]))
        self.settled = True

    def loses(self, name):
        ref = Ref("Pod", "shop", name)
        del self.known[ref]
        self._changes.append(DeleteObject(ref))

    def taken(self):
        changes, self._changes = self._changes, []
        return changes


class Watches:
    """A PodsByLabels, and the watches that it has started."""

    def __init__(self, *wanted):
        self.parts = []
        self.pods = PodsByLabels(self._start)
        self.want(*wanted)

    def want(self, *wanted):
        self.pods.want(frozenset(wanted))
        return shown(self.pods.step())

    def step(self):
        return shown(self.pods.step())

    def of(self, selection):
        query = {"labelSelector": selection.selector}
        running = [part for part in self.parts if not part.ended and part.resource.query == query]
        return next(part for part in running if f"/{selection.namespace}/" in part.resource.path)

    def _start(self, resource):
        part = Part(resource)
        self.parts.append(part)

        def end():
            part.ended = True

        return part, end


def shown(changes):
    """Pods with their selectors, None for a deleted one; other changes as they are."""
    puts = {each.ref.name: each.object.selectors for each in changes if isinstance(each, PutObject)}
    gone = {each.ref.name: None for each in changes if isinstance(each, DeleteObject)}
    return puts | gone, [each for each in changes if isinstance(each, Selected | Unselected)]


def test_each_selection_is_one_watch_in_its_namespace():
    watches = Watches(V2, OTHER)

    asked = {(part.resource.path, part.resource.query["labelSelector"]) for part in watches.parts}

    assert asked == {
        ("/api/v1/namespaces/shop/pods", "version=v2"),
        ("/api/v1/namespaces/bank/pods", "version=v2"),
    }


def test_a_selection_is_known_with_its_first_list_and_once():
    watches = Watches(V2)

    before = watches.step()
    watches.of(V2).has("web-1")
    after = watches.step()

    assert before == ({}, [])
    assert after == ({"web-1": ("version=v2",)}, [Selected(V2)])
    assert watches.step() == ({}, [])


def test_a_pod_of_two_selections_has_both_and_keeps_the_one_that_stays():
    watches = Watches(V2, WEB)
    watches.of(V2).has("web-1")
    watches.of(WEB).has("web-1")
    both, _ = watches.step()

    watches.of(V2).loses("web-1")
    one, _ = watches.step()
    watches.of(WEB).loses("web-1")
    none, _ = watches.step()

    assert both == {"web-1": ("tier=web", "version=v2")}
    assert (one, none) == ({"web-1": ("tier=web",)}, {"web-1": None})


def test_a_selection_that_is_not_wanted_any_more_ends_with_its_pods():
    watches = Watches(V2, WEB)
    watches.of(V2).has("web-1", "web-2")
    watches.of(WEB).has("web-1")
    watches.step()

    left = watches.want(WEB)

    assert left == ({"web-1": ("tier=web",), "web-2": None}, [Unselected(V2)])
    assert [part.ended for part in watches.parts if part.resource.query["labelSelector"] == V2.selector] == [True]
