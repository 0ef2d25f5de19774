"""The protocol between discovery and a worker: newline-delimited JSON, one update or change of a subscription a line.

Discovery sends the snapshots and a `Replace` first, then `Put` and `Drop`, the newest value per service; a snapshot
whenever it changes, and `Fresh` while nothing does. A worker that receives an unknown type of line keeps its table and
reconnects. The worker sends subscriptions: the services whose endpoints it needs, all of them on each new connection.
Beside them it sends its reports (see `reports`), samples of exchanges (`samples`), those that failed (`failures`), and
answers to what it is asked (`questions`).
"""

from collections.abc import Sequence

import msgspec

from nodeproxy.mesh.failures import Failures
from nodeproxy.mesh.model import Caller, Service
from nodeproxy.mesh.questions import Answer, Ask
from nodeproxy.mesh.reports import Report
from nodeproxy.mesh.samples import Samples
from nodeproxy.mesh.taps import StartTap, StopTap, TapLeftOut

LINE_LIMIT_BYTES = 64 * 1024 * 1024  # 10,000 endpoints are about 1 MB; a line beyond this is a broken peer
FRESH_EVERY_S = 1.0  # the precision of the age of a worker's table


class Replace(msgspec.Struct, frozen=True, tag="replace", omit_defaults=True):
    """The whole mesh; services that it does not contain are removed."""

    services: tuple[Service, ...]
    age_s: float = 0.0
    """Since the source last confirmed it; more than 0 for a table loaded from disk."""
    on_demand: bool = False
    """Whether discovery watches only the endpoints of subscribed services; the others are marked unsubscribed."""


class Put(msgspec.Struct, frozen=True, tag="put"):
    """One service, new or changed, whole."""

    service: Service


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """The service with this key (`<namespace>/<name>`) has been removed."""

    key: str


class Fresh(msgspec.Struct, frozen=True, tag="fresh"):
    """Nothing has changed and the source is in sync; sent every `FRESH_EVERY_S` to refresh the table's age."""


class Callers(msgspec.Struct, frozen=True, tag="callers"):
    """A snapshot of all callers."""

    callers: tuple[Caller, ...]


class Watched(msgspec.Struct, frozen=True):
    """One of the watches that discovery has on its source."""

    what: str
    why: str
    objects: int
    error: str = ""
    """Why it is out of sync, "" when it is in sync."""


class WatchCounts(msgspec.Struct, frozen=True):
    """How often all objects of a kind were listed, and how often a list or a watch of it has failed."""

    kind: str
    lists: int = 0
    errors: int = 0


class Watches(msgspec.Struct, frozen=True, tag="watches"):
    """A snapshot of all watches of discovery, for `nodeproxy status`."""

    watches: tuple[Watched, ...]
    counts: tuple[WatchCounts, ...] = ()
    """By kind, of watches that have ended too."""


class PolicyMap(msgspec.Struct, frozen=True):
    """One of the ConfigMaps that hold policies, and whether all of it is in force."""

    namespace: str
    name: str
    accepted: bool
    kind: str = "ConfigMap"
    """Or Service, for its annotations."""


class PolicyMaps(msgspec.Struct, frozen=True, tag="policy-maps"):
    """A snapshot of all policy maps."""

    maps: tuple[PolicyMap, ...]


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """The worker needs the endpoints of the service with this key."""

    key: str


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    """The worker no longer needs the endpoints of the service with this key."""

    key: str


Snapshot = Callers | Watches | PolicyMaps
"""Sent beside the services: each type as a whole whenever it changes."""
Update = Replace | Put | Drop | Fresh | Snapshot
Downward = Update | Ask | StartTap | StopTap
"""What discovery sends."""
SubscriptionChange = Subscribe | Unsubscribe
Upward = SubscriptionChange | Report | Answer | Samples | TapLeftOut | Failures
"""What a worker sends."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Downward] = msgspec.json.Decoder(Downward)
_upward: msgspec.json.Decoder[Upward] = msgspec.json.Decoder(Upward)


def line(message: Downward | Upward) -> bytes:
    """`message` as one line, its newline included."""
    return _encoder.encode(message) + b"\n"


def parse_upward(text: bytes | bytearray) -> Upward:
    """The change of a subscription, the report or the answer in one line.

    Raises:
        msgspec.DecodeError: the line is not JSON or none of them (`ValidationError` is a subclass).
    """
    try:
        return _upward.decode(text)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error}") from error


def parse(text: bytes | bytearray) -> Downward:
    """The update, the question, or the start or end of a tap in one line.

    Raises:
        msgspec.DecodeError: the line is not JSON or neither of them (`ValidationError` is a subclass).
    """
    try:
        return _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error}") from error


def keys_of(update: Update) -> tuple[str, ...]:
    """The keys of the services that a `Put` or `Drop` changes; none for any other update."""
    if isinstance(update, Put):
        return (update.service.key,)
    return (update.key,) if isinstance(update, Drop) else ()


def size_of(services: Sequence[Service]) -> int:
    """The number of endpoints of all `services`."""
    return sum(len(port.endpoints) for service in services for port in service.ports)
