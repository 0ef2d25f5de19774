"""The lines between discovery and a worker: newline-delimited JSON, one update or change of a subscription each.

Down go first the snapshots and a `Replace`, then `Put` and `Drop`, the newest value per service; a snapshot whenever it
changes, and `Fresh` while nothing does. A worker that receives an unknown type of line keeps its table and reconnects.
Up go subscriptions: the services whose endpoints the worker needs, all of them again on each connection.
"""

from collections.abc import Sequence

import msgspec

from nodeproxy.mesh.model import Caller, Service

LINE_LIMIT_BYTES = 64 * 1024 * 1024  # 10,000 endpoints are about 1 MB; a line beyond this is a broken peer
FRESH_EVERY_S = 1.0  # how precise the age of a worker's table is


class Replace(msgspec.Struct, frozen=True, tag="replace", omit_defaults=True):
    """The whole mesh; services that are not named are gone."""

    services: tuple[Service, ...]
    age_s: float = 0.0
    """Since the source last confirmed it; more than 0 for what was kept on disk."""
    on_demand: bool = False
    """Whether endpoints are followed only of services that some worker wants; the others are unsubscribed."""


class Put(msgspec.Struct, frozen=True, tag="put"):
    """One service, new or changed, whole."""

    service: Service


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """The service with this key (`<namespace>/<name>`) is gone."""

    key: str


class Fresh(msgspec.Struct, frozen=True, tag="fresh"):
    """Nothing has changed and the source is in sync; sent every `FRESH_EVERY_S`. Tells the table's age."""


class Callers(msgspec.Struct, frozen=True, tag="callers"):
    """A snapshot: who calls from which address. All there are."""

    callers: tuple[Caller, ...]


class Watched(msgspec.Struct, frozen=True):
    """One of the watches that discovery has on its source."""

    what: str
    why: str
    objects: int
    error: str = ""
    """Why it is out of sync, "" when it is in sync."""


class Watches(msgspec.Struct, frozen=True, tag="watches"):
    """A snapshot: what discovery watches, for who wants to know. All there are."""

    watches: tuple[Watched, ...]


class PolicyMap(msgspec.Struct, frozen=True):
    """One of the ConfigMaps that hold policies, and whether all of it is in force."""

    namespace: str
    name: str
    accepted: bool


class PolicyMaps(msgspec.Struct, frozen=True, tag="policy-maps"):
    """A snapshot: which policy maps there are. All there are."""

    maps: tuple[PolicyMap, ...]


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """A subscription: the endpoints of the service with this key."""

    key: str


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe"):
    """A subscription: they are not needed any more."""

    key: str


Snapshot = Callers | Watches | PolicyMaps
"""What is told beside the services: each type whole and anew whenever it changes."""
Update = Replace | Put | Drop | Fresh | Snapshot
SubscriptionChange = Subscribe | Unsubscribe

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Update] = msgspec.json.Decoder(Update)
_subscription: msgspec.json.Decoder[SubscriptionChange] = msgspec.json.Decoder(SubscriptionChange)


def line(message: Update | SubscriptionChange) -> bytes:
    """`message` as one line, its newline included."""
    return _encoder.encode(message) + b"\n"


def parse_subscription(text: bytes | bytearray) -> SubscriptionChange:
    """The subscription that one line holds.

    Raises:
        msgspec.DecodeError: the line is not JSON or not a subscription (`ValidationError` is one).
    """
    try:
        return _subscription.decode(text)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error}") from error


def parse(text: bytes | bytearray) -> Update:
    """The update that one line holds.

    Raises:
        msgspec.DecodeError: the line is not JSON or not an update (`ValidationError` is one).
    """
    try:
        return _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error}") from error


def keys_of(update: Update) -> tuple[str, ...]:
    """The keys of the services that an update of single ones is about, none for one of all."""
    if isinstance(update, Put):
        return (update.service.key,)
    return (update.key,) if isinstance(update, Drop) else ()


def size_of(services: Sequence[Service]) -> int:
    """How many endpoints `services` have together."""
    return sum(len(port.endpoints) for service in services for port in service.ports)
