"""The lines that discovery writes to a worker's socket: newline-delimited JSON, one update each.

The first line of a connection is a `Replace`; after it come `Put` and `Drop`, newest value per service, and
`Fresh` while nothing changes. A worker that sees an unknown type of line keeps the table it has and reconnects.
"""

from collections.abc import Sequence

import msgspec

from nodeproxy.mesh.model import Service

LINE_LIMIT_BYTES = 64 * 1024 * 1024  # 10,000 endpoints are about 1 MB; a line beyond this is a broken peer


class Replace(msgspec.Struct, frozen=True, tag="replace", omit_defaults=True):
    """The whole mesh; services that are not named are gone."""

    services: tuple[Service, ...]
    age_s: float = 0.0
    """Since the source last confirmed it; more than 0 for what was kept on disk."""


class Put(msgspec.Struct, frozen=True, tag="put"):
    """One service, new or changed, whole."""

    service: Service


class Drop(msgspec.Struct, frozen=True, tag="drop"):
    """The service with this key (`<namespace>/<name>`) is gone."""

    key: str


class Fresh(msgspec.Struct, frozen=True, tag="fresh"):
    """Nothing has changed and the source is in sync; sent every `FRESH_EVERY_S`. Tells the table's age."""


Update = Replace | Put | Drop | Fresh
FRESH_EVERY_S = 1.0

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Update] = msgspec.json.Decoder(Update)


def line(update: Update) -> bytes:
    """`update` as one line, its newline included."""
    return _encoder.encode(update) + b"\n"


def parse(text: bytes | bytearray) -> Update:
    """The update that one line holds.

    Raises:
        msgspec.DecodeError: the line is not JSON or not an update (`ValidationError` is one).
    """
    try:
        return _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"not UTF-8: {error}") from error


def size_of(services: Sequence[Service]) -> int:
    """How many endpoints `services` have together."""
    return sum(len(port.endpoints) for service in services for port in service.ports)
