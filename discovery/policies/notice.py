"""What is announced of a policy map to its author."""

from typing import NamedTuple

from discovery.kubernetes.objects import Ref


class Notice(NamedTuple):
    """What is said of one version of a policy map."""

    ref: Ref
    version: tuple[str, str]
    """uid and resourceVersion."""
    reason: str
    """One word to select events by."""
    message: str
    warning: bool
