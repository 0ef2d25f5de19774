"""The verdict on a policy map as a Kubernetes Event, which `kubectl describe configmap` shows to the map's author.

Every node's discovery reaches the same verdict. The name of an event is derived from the version of the map and the
verdict, so the first node creates it and the others, or a restarted discovery, find it, as long as the API server
stores events (by default an hour). A failure to write an event is logged.

Events are of core/v1, because every kubectl and dashboard shows those with all their columns.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Protocol

import anyio

from discovery.kubernetes.objects import Ref
from discovery.log import log_event
from discovery.policies.layers import Verdict
from discovery.policies.notice import Notice
from discovery.problem import sentence_of
from discovery.sources.cluster.errors import ApiError, Conflict, Forbidden, NotFound, Unauthorized
from discovery.sources.cluster.watch import World

SPREAD_S = 5.0  # spreads the nodes' requests; the more nodes, the sooner the first
PAUSE_S = 0.1  # between two events: a node that starts in a cluster of many maps sends ten a second
QUEUE_MOST = 1000  # maps whose events are not written yet
TRIES = 5
RETRY_S = 1.0  # before the second try, then twice as long each time
MESSAGE_LIMIT_BYTES = 1024  # the limit of events.k8s.io for a note
NAME_LIMIT = 200  # of an object's name in its event's name, which has at most 253 characters


class Api(Protocol):
    """See `api.Api`."""

    async def create(self, path: str, value: Mapping[str, Any]) -> None: ...

    async def reload_token(self) -> None: ...


class Events:
    """Writes the events of noted verdicts, the newest per map, and other notices. `wall` is Unix time in seconds."""

    def __init__(self, api: Api, world: World, wall: Callable[[], float]) -> None:
        self._api = api
        self._world = world
        self._wall = wall
        self._noted: dict[Ref, str] = {}
        self._pending: dict[tuple[Ref, str], Notice] = {}
        self._something = anyio.Event()
        self._reported = ""

    def note(self, verdicts: Iterable[Verdict]) -> None:
        """Notes the current verdicts; new ones are written."""
        before, self._noted = self._noted, {}
        for verdict in verdicts:
            notice = notice_of(verdict)
            name = self._noted[verdict.ref] = name_of(notice)
            if before.get(verdict.ref) != name:
                self._put((verdict.ref, ""), notice)
        self._wake()

    def say(self, notice: Notice) -> None:
        """Has this written too. The newest for each map and reason counts."""
        self._put((notice.ref, notice.reason), notice)
        self._wake()

    def _put(self, key: tuple[Ref, str], notice: Notice) -> None:
        self._pending.pop(key, None)
        self._pending[key] = notice

    def _wake(self) -> None:
        for key in list(self._pending)[:-QUEUE_MOST]:
            del self._pending[key]
        if self._pending:
            self._something.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._something.wait()
            await self._world.sleep(SPREAD_S * self._world.random())
            self._something = anyio.Event()
            while self._pending:
                key = next(iter(self._pending))
                await self._write(key, self._pending.pop(key))
                await self._world.sleep(PAUSE_S)

    async def _write(self, key: tuple[Ref, str], notice: Notice) -> None:
        path = f"/api/v1/namespaces/{notice.ref.namespace}/events"
        wait_s = RETRY_S
        for _ in range(TRIES):
            try:
                await self._api.create(path, event_of(notice, self._wall()))
            except (Conflict, NotFound):  # another node was first, or the namespace is deleted with the map
                return
            except Forbidden as error:
                self._report(f"{error}; grant nodeproxy's service account create of events in every namespace")
                return
            except ApiError as error:
                reason = str(error)
                if isinstance(error, Unauthorized):
                    await self._api.reload_token()
            else:
                self._reported = ""
                return
            if key in self._pending:
                return
            await self._world.sleep(wait_s * (0.5 + self._world.random()))
            wait_s *= 2
        self._report(reason)

    def _report(self, reason: str) -> None:
        """Logs a failure once until an event can be written again."""
        if not self._reported:
            self._reported = reason
            log_event("events of policy maps are not written", logging.WARNING, reason=reason)


def notice_of(verdict: Verdict) -> Notice:
    """What is said of a verdict."""
    return Notice(
        verdict.ref,
        verdict.version,
        reason_of(verdict),
        message_of(verdict),
        bool(verdict.problems or verdict.warnings),
    )


def name_of(notice: Notice) -> str:
    """The name of the event: the map's, with a hash of its version and of what is said."""
    digested = "\n".join((*notice.version, notice.reason, notice.message))
    own = notice.ref.name[:NAME_LIMIT].rstrip("-.")
    return f"{own}.{blake2b(digested.encode(), digest_size=8).hexdigest()}"


def reason_of(verdict: Verdict) -> str:
    """The reason of the event, one word to select events by."""
    if verdict.problems:
        return "PolicyRejected"
    return "PolicyDoubtful" if verdict.warnings else "PolicyAccepted"


def message_of(verdict: Verdict) -> str:
    """The message of the event."""
    first = "not all of it is in force, what is refused leaves its last good version there"
    if not verdict.problems:
        first = f"in force: {verdict.tables} {'table' if verdict.tables == 1 else 'tables'}"
    text = "; ".join((first, *map(sentence_of, (*verdict.problems, *verdict.warnings))))
    cut = text.encode()[: MESSAGE_LIMIT_BYTES - 3].decode(errors="ignore")
    return text if len(text.encode()) <= MESSAGE_LIMIT_BYTES else f"{cut}…"


def event_of(notice: Notice, now: float) -> dict[str, Any]:
    """The event as JSON object; `now` is Unix time in seconds."""
    uid, version = notice.version
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name_of(notice), "namespace": notice.ref.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": notice.ref.kind,
            "namespace": notice.ref.namespace,
            "name": notice.ref.name,
            "uid": uid,
            "resourceVersion": version,
        },
        "type": "Warning" if notice.warning else "Normal",
        "reason": notice.reason,
        "message": notice.message,
        "source": {"component": "nodeproxy"},
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
