"""What every Kubernetes object has: its reference and its metadata.

The modules beside this one define, for each kind, the fields that discovery reads and their types; `admission`
validates the values. Lists may be null, as Go encodes an empty one.
"""

from typing import NamedTuple

import msgspec

from discovery.problem import printable


class Ref(NamedTuple):
    """The kind, namespace and name of an object, unique in a cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {printable(self.namespace)}/{printable(self.name)}"


def subject_of(kind: str, key: str) -> str:
    """The name in messages of the object of this kind with the key `<namespace>/<name>`."""
    return str(Ref(kind, *key.split("/")))


class Metadata(msgspec.Struct, frozen=True):
    """`metadata`. No namespace means `default`, as for kubectl."""

    name: str
    namespace: str | None = None
    labels: dict[str, str] | None = None


class Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The fields of every object."""

    metadata: Metadata

    @property
    def key(self) -> str:
        """`<namespace>/<name>`."""
        return f"{self.metadata.namespace or 'default'}/{self.metadata.name}"
