"""Records of measurements as files: JSON that a diff shows line by line."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Saved = TypeVar("Saved")


def save(record: "DataclassInstance", path: Path) -> None:
    """Write a record, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def load(path: Path, kind: type[Saved]) -> Saved:
    """Read a record of this kind.

    Raises: FileNotFoundError; msgspec.ValidationError when it is of another shape.
    """
    return msgspec.json.decode(path.read_bytes(), type=kind)
