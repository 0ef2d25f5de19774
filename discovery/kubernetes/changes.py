"""A change of one object, from any source."""

from typing import NamedTuple

from discovery.kubernetes.objects import Object, Ref
from discovery.problem import NOWHERE, Origin


class PutObject(NamedTuple):
    """A new or changed object, complete."""

    ref: Ref
    object: Object
    origin: Origin = NOWHERE


class DeleteObject(NamedTuple):
    """A deleted object."""

    ref: Ref


ObjectChange = PutObject | DeleteObject
