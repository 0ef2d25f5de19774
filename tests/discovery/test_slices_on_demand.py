"""Which endpoints are watched: those of subscribed services, by one watch each or by one of all."""

from discovery.kubernetes.changes import DeleteObject
from discovery.kubernetes.objects import Ref
from discovery.sources.cluster.on_demand import MANY, OnDemand
from discovery.sources.source import Followed, Unfollowed
from tests.discovery.kube import endpoint, put, slice_of

ALL = "/apis/discovery.k8s.io/v1/endpointslices"


class Part:
    """A watch that has what the test gave it."""

    def __init__(self, resource):
        self.resource = resource
        self.ever_in_sync = False
        self.ended = False
        self.known = {}
        self._changes = []

    def has(self, *names):
        """It is in sync, and these slices are what it has found."""
        for name in names:
            change = put(slice_of("shop/any", name=name))
            self.known[change.ref] = change.object
            self._changes.append(change)
        self.ever_in_sync = True

    def reports(self, value):
        """Reports this slice, without being in sync."""
        change = put(value)
        self.known[change.ref] = change.object
        self._changes.append(change)

    def taken(self):
        changes, self._changes = self._changes, []
        return changes


class Watches:
    """An OnDemand, and the watches it has started."""

    def __init__(self):
        self.parts = []
        self.on_demand = OnDemand(self._start)

    def _start(self, resource):
        part = Part(resource)
        self.parts.append(part)

        def end():
            part.ended = True

        return part, end

    def want(self, *keys):
        self.on_demand.want(frozenset(keys))
        return self.on_demand.step()

    def of(self, name):
        """The running watch of this service, "" for the one of all."""
        wanted = f"kubernetes.io/service-name={name}" if name else None
        running = [part for part in self.parts if not part.ended]
        return next((part for part in running if part.resource.query.get("labelSelector") == wanted), None)


def names(changes):
    return [(type(change).__name__, getattr(change, "key", None) or change.ref.name) for change in changes]


def services(count):
    return [f"shop/s{number}" for number in range(count)]


def test_services_without_a_subscription_are_not_watched():
    watches = Watches()

    assert watches.on_demand.step() == [] and watches.parts == []


def test_a_wanted_service_is_watched_in_its_namespace_and_followed_once_it_is_in_sync():
    watches = Watches()

    before = watches.want("shop/web")
    watches.of("web").has("web-1")
    after = watches.on_demand.step()

    assert before == []
    assert watches.of("web").resource.path == "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
    assert names(after) == [("PutObject", "web-1"), ("Followed", "shop/web")]
    assert watches.on_demand.step() == []


def test_a_service_that_has_no_slices_is_followed_all_the_same():
    watches = Watches()
    watches.want("shop/web")

    watches.of("web").has()

    assert watches.on_demand.step() == [Followed("shop/web")]


def test_a_service_without_a_subscription_any_more_is_removed():
    watches = Watches()
    watches.want("shop/web")
    watches.of("web").has("web-1")
    watches.on_demand.step()

    changes = watches.want()

    assert changes == [Unfollowed("shop/web"), DeleteObject(Ref("EndpointSlice", "shop", "web-1"))]
    assert watches.of("web") is None


def test_beyond_a_number_one_watch_of_all_takes_over_and_nothing_is_missing_meanwhile():
    watches = Watches()
    watches.want(*services(MANY))
    for number in range(MANY):
        watches.of(f"s{number}").has(f"s{number}-1")
    watches.on_demand.step()

    began = watches.want(*services(MANY + 1))
    singles = [part for part in watches.parts if part.resource.path != ALL and not part.ended]
    watches.of("").has(*(f"s{number}-1" for number in range(MANY + 5)))
    changes = watches.on_demand.step()

    assert began == [] and len(singles) == MANY
    assert [part.resource.path for part in watches.parts if not part.ended] == [ALL]
    assert not any(isinstance(change, DeleteObject | Unfollowed) for change in changes)
    assert [change for change in changes if isinstance(change, Followed)] == [Followed(f"shop/s{MANY}")]


def test_one_watch_of_all_stays_until_far_fewer_are_wanted_and_then_only_theirs_stay():
    watches = Watches()
    watches.want(*services(MANY + 1))
    watches.of("").has(*(f"s{number}-1" for number in range(MANY + 1)))
    watches.on_demand.step()

    watches.want(*services(MANY // 2 + 1))
    still_one = [part.resource.path for part in watches.parts if not part.ended]
    left = watches.want("shop/s1")
    watches.of("s1").has("s1-1")
    changes = watches.on_demand.step()

    assert still_one == [ALL]
    assert not any(isinstance(change, DeleteObject) for change in left)
    assert watches.of("") is None and watches.of("s1") is not None
    assert names(changes)[0] == ("PutObject", "s1-1")
    assert len([change for change in changes if isinstance(change, DeleteObject)]) == MANY


def test_a_service_that_is_left_and_wanted_again_at_once_keeps_its_watch():
    watches = Watches()
    watches.want("shop/web")
    watches.of("web").has("web-1")
    watches.on_demand.step()

    watches.on_demand.want(frozenset())
    again = watches.want("shop/web")

    assert again == [] and len(watches.parts) == 1


OLD, NEW = slice_of("shop/s1", endpoint("10.0.0.1")), slice_of("shop/s1", endpoint("10.0.0.2"))


def test_the_last_report_of_an_ended_watch_does_not_replace_that_of_the_remaining_one():
    watches = Watches()
    watches.want(*services(MANY + 1))
    watches.of("").has()
    watches.want("shop/s1")

    watches.of("s1").reports(NEW)
    first = watches.on_demand.step()
    watches.of("").reports(OLD)
    watches.of("s1").has()
    last = watches.on_demand.step()

    assert put(NEW) in first and watches.of("") is None
    assert last[-1] == put(NEW)


def test_the_same_holds_when_the_one_watch_of_all_takes_over():
    watches = Watches()
    watches.want(*services(MANY))
    for number in range(MANY):
        watches.of(f"s{number}").has()
    watches.want(*services(MANY + 1))

    watches.of("").reports(NEW)
    watches.on_demand.step()
    watches.of("s1").reports(OLD)
    watches.of("").has("other")
    last = watches.on_demand.step()

    assert watches.of("s1") is None and last[-1] == put(NEW)
