"""Follows one kind of objects: list, watch, and list again if the watch cannot continue.

The client library's own Watch reconnects with its version even if the server refused it. Here every way in
which a list or a watch can fail is handled: `errors` has them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from discovery.kubernetes.changes import DeleteObject, ObjectChange, PutObject
from discovery.kubernetes.objects import Object, Ref
from discovery.problem import Severity
from discovery.sources.cluster.depth import cut
from discovery.sources.cluster.errors import ApiError, Gone, Unauthorized, Unreachable, Unreadable, of_status

PAGE = 500  # objects per answer to a list, as client-go
WATCH_S = 300.0  # the requested length of a watch, plus up to half at random; as client-go
SILENCE_S = 150.0  # bookmarks come every minute; a silent server counts as unreachable
BACKOFF_S = 0.5
BACKOFF_MAX_S = 30.0  # as client-go's reflector
SHORT_S = 1.0  # a watch that ends sooner without an event is a failure; as client-go
STEADY_S = 10.0  # a watch that lasted this long was no failure

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind to follow: its path and its selectors."""

    kind: str
    path: str
    type: type[Object]
    query: Mapping[str, str] = field(default_factory=dict)
    required: bool = True
    """Whether the mesh needs it; if not, a missing permission is only a warning."""
    why: str = ""
    """Its purpose, for status and messages."""
    without: Ref | None = None
    """An object left out here, because another resource has it."""

    @property
    def severity(self) -> Severity:
        """The severity of a missing permission."""
        return "error" if self.required else "warning"


class Api(Protocol):
    """See `api.Api`."""

    async def read(self, path: str, query: Mapping[str, str]) -> bytes: ...

    def lines(
        self, path: str, query: Mapping[str, str], silence_s: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...

    async def reload_token(self) -> None: ...


class Heard(Protocol):
    """The receiver of a watch's results."""

    def changed(self, changes: tuple[ObjectChange, ...]) -> None:
        """Called with new, changed and deleted objects."""

    def listed(self) -> None:
        """Called when all objects have been listed."""

    def synced(self) -> None:
        """Called when all objects have been reported; from now on changes are."""

    def failed(self, error: ApiError) -> None:
        """Called with the reason when out of sync; the watch is retried."""


@dataclass(frozen=True, slots=True)
class World:
    """Clock and randomness, injected."""

    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    random: Callable[[], float]


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    metadata: "_ListMeta"


_list = msgspec.json.Decoder(_List)
_event = msgspec.json.Decoder(_Event)
_versioned = msgspec.json.Decoder(_Versioned)


class Watch:
    """Follows one resource. Stores the current objects, to report those that a new list lacks as deleted."""

    def __init__(self, resource: Resource, api: Api, heard: Heard, world: World) -> None:
        self._resource = resource
        self._api = api
        self._heard = heard
        self._world = world
        self._decoder = msgspec.json.Decoder(resource.type)
        self.known: dict[Ref, Object] = {}
        """The objects as last reported."""
        self._backoff_s = BACKOFF_S
        self._version = ""
        """The last version seen; "" before the first list, and if it is too old."""

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            began = self._world.now()
            try:
                if not self._version:
                    self._version = await self._list()
                while True:
                    await self._watch()
            except Gone:
                self._version, wanted_s = "", 0.0
            except ApiError as error:
                self._heard.failed(error)
                if isinstance(error, Unauthorized):
                    await self._api.reload_token()
                wanted_s = error.retry_after_s
            await self._pause(steady=self._world.now() - began >= STEADY_S, wanted_s=wanted_s)

    async def _pause(self, steady: bool, wanted_s: float) -> None:
        """Waits before a retry: not after a steady watch, else with exponential backoff and jitter."""
        if steady:
            self._backoff_s = BACKOFF_S
        if not steady or wanted_s:
            await self._world.sleep(min(max(wanted_s, self._backoff_s), BACKOFF_MAX_S) * (0.5 + self._world.random()))
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)

    async def _list(self) -> str:
        """Lists and reports all objects; returns the version to watch from.

        Raises:
            ApiError: see `errors`; nothing has been reported.
        """
        found: dict[Ref, Object] = {}
        query = {**self._resource.query, "limit": str(PAGE)}
        while True:
            page = _decoded(_list, await self._api.read(self._resource.path, query))
            for item in page.items or ():
                value = _decoded(self._decoder, item)
                found[self._ref(value)] = value
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        gone = [DeleteObject(ref) for ref in self.known.keys() - found.keys()]
        new = [PutObject(ref, value) for ref, value in found.items() if self.known.get(ref) != value]
        self.known = found
        self._heard.listed()
        self._report((*gone, *new))
        return page.metadata.resource_version

    async def _watch(self) -> None:
        """Reports changes after the current version until the server ends the watch.

        Raises:
            Gone: the current version is too old to watch from.
            ApiError: see `errors`; the next watch continues from the current version.
        """
        query = {
            **self._resource.query,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(WATCH_S * (1 + 0.5 * self._world.random()))),
        }
        began, brought = self._world.now(), False
        async with self._api.lines(self._resource.path, query, SILENCE_S) as lines:
            self._heard.synced()
            async for line in lines:
                brought = True
                self._take(_decoded(_event, line))
        if not brought and self._world.now() - began < SHORT_S:
            raise Unreachable("the server ends watches as soon as they begin")

    def _take(self, event: _Event) -> None:
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object)
            raise of_status(int(status.get("code") or 500), str(status.get("message") or status.get("reason") or ""))
        self._version = _decoded(_versioned, event.object).metadata.resource_version
        if event.type == "BOOKMARK":
            return
        value = _decoded(self._decoder, event.object)
        ref = self._ref(value)
        if event.type == "DELETED":
            if self.known.pop(ref, None) is not None:
                self._report((DeleteObject(ref),))
        elif self.known.get(ref) != value:
            self.known[ref] = value
            self._report((PutObject(ref, value),))

    def _report(self, changes: tuple[ObjectChange, ...]) -> None:
        reported = tuple(change for change in changes if change.ref != self._resource.without)
        if reported:
            self._heard.changed(reported)

    def _ref(self, value: Object) -> Ref:
        return Ref(self._resource.kind, value.metadata.namespace or "", value.metadata.name)


def _decoded(decoder: "msgspec.json.Decoder[Value]", text: bytes | msgspec.Raw) -> Value:
    try:
        try:
            return decoder.decode(text)
        except RecursionError:  # the author of one invalid object must not block all others
            return decoder.decode(cut(bytes(text)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"not what an API server sends: {error}") from error
