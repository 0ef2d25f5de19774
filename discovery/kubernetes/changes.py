"""A change of one object, whatever source reports it."""

from typing import NamedTuple

from discovery.kubernetes.objects import Object, Ref
from discovery.problem import NOWHERE, Origin


class PutObject(NamedTuple):
    """An object, new or changed, whole."""

    ref: Ref
    object: Object
    origin: Origin = NOWHERE


class DeleteObject(NamedTuple):
    """An object that is gone."""

    ref: Ref


ObjectChange = PutObject | DeleteObject
