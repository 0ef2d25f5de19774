"""Follows the endpoints that this node needs: one watch per subscribed service, or one of all beyond a number.

A mesh may have ten thousand endpoints; a node pays only for those that its pods call.
"""

from collections.abc import Callable, Iterator, Set

from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.endpoints import SERVICE_NAME_LABEL, EndpointSlice
from discovery.kubernetes.objects import Object
from discovery.sources.cluster.part import Part
from discovery.sources.cluster.watch import Resource
from discovery.sources.source import Change, Followed, Unfollowed

# Each watch is a connection, and the API server checks every changed slice against its selector; one watch of all
# costs this process the memory and the decoding of every slice there is.
MANY = 50
EVERYTHING = ""
_SLICES = "endpointslices"
_GROUP = "/apis/discovery.k8s.io/v1"


def slices_of_all(why: str) -> Resource:
    """The slices of all services."""
    return Resource("EndpointSlice", f"{_GROUP}/{_SLICES}", EndpointSlice, why=why)


def slices_of(key: str) -> Resource:
    """The slices of the service with this key."""
    namespace, _, name = key.partition("/")
    selector = {"labelSelector": f"{SERVICE_NAME_LABEL}={name}"}
    path = f"{_GROUP}/namespaces/{namespace}/{_SLICES}"
    return Resource("EndpointSlice", path, EndpointSlice, selector, why="called from this node")


class OnDemand:
    """Runs the needed watches. `start` starts one and returns the function that ends it."""

    def __init__(self, start: Callable[[Resource], tuple[Part, Callable[[], None]]]) -> None:
        self._start = start
        self._running: dict[str, tuple[Part, Callable[[], None]]] = {}
        self._wanted: Set[str] = frozenset()
        self._followed: Set[str] = frozenset()
        self._one_for_all = False

    def want(self, keys: Set[str]) -> None:
        """Sets the services whose endpoints are needed."""
        self._wanted = keys

    def parts(self) -> Iterator[Part]:
        """The current watches."""
        for part, _ in self._running.values():
            yield part

    def step(self) -> list[Change]:
        """Starts and ends watches as needed; returns the changes since the last step."""
        needed = self._needed()
        for key in sorted(needed - self._running.keys()):
            self._running[key] = self._start(slices_of(key) if key else slices_of_all(f"more than {MANY} are called"))
        changes: list[Change] = [change for part in self.parts() for change in part.taken()]
        followed = {key for key in self._wanted if self._is_followed(key)}
        changes += [Followed(key) for key in sorted(followed - self._followed)]
        changes += [Unfollowed(key) for key in sorted(self._followed - followed)]
        self._followed = followed
        if all(self._running[key][0].ever_in_sync for key in needed):  # until then the old watches are used
            changes += self._end(self._running.keys() - needed)
        return changes

    def _needed(self) -> Set[str]:
        most = MANY // 2 if self._one_for_all else MANY  # hysteresis: no switching back and forth
        self._one_for_all = len(self._wanted) > most
        return {EVERYTHING} if self._one_for_all else self._wanted

    def _is_followed(self, key: str) -> bool:
        return any(each in self._running and self._running[each][0].ever_in_sync for each in (key, EVERYTHING))

    def _end(self, keys: Set[str]) -> list[Change]:
        """Ends these watches; returns deletions of objects that no other watch has, and the versions of the others.

        Two watches report a shared object in any order, so the ended one may have reported last, with a stale version.
        """
        ended = {key: self._running.pop(key) for key in sorted(keys)}
        known = {ref: each for part in self.parts() for ref, each in part.known.items()} if ended else {}
        changes: list[Change] = []
        for part, end in ended.values():
            end()
            changes += [DeleteObject(ref) for ref in part.known if ref not in known]
        last = {ref: each for part, _ in ended.values() for ref, each in part.known.items()}
        for ref, each in known.items():
            if last.get(ref) != each and (EVERYTHING in ended or ref in last or _service_of(each) in ended):
                changes.append(PutObject(ref, each))
        return changes


def _service_of(found: Object) -> str:
    return found.service_key if isinstance(found, EndpointSlice) else ""
