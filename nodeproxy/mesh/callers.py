"""Who calls: from a client's address to the pod of this node that has it.

Addresses are used again, so nothing is remembered beyond what discovery says now.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from nodeproxy.mesh.address import Range
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.trust import TRUST_NONE, Trust

WORKLOADS_MOST = 256  # told apart in metrics: pods of one node, and those they were replaced by
STRANGERS_MOST = 1024  # addresses that belong to no pod and are remembered to be looked at once


class Known(NamedTuple):
    """A caller as requests see it."""

    namespace: str
    """Of the pod; "" for one that is not known to be a pod."""
    labels: tuple[str, str]
    """Namespace and workload for metrics and logs: of few different values."""
    trusted: bool = False
    """Whether it is believed when it says for whom it speaks."""


UNKNOWN = Known("", ("", "unknown"))
NODE = Known("", ("", "node"))
OTHER = ("", "other")


class Callers:
    """The callers that are known now. `own` are the ranges whose addresses only this node itself calls from.

    Trust is decided here, once per address and again at every `install`: a pod that has the address of another one
    does not inherit what that one's namespace was trusted with.
    """

    def __init__(self, own: Sequence[Range] = (), trust: Trust = TRUST_NONE) -> None:
        self.known: dict[str, Known] = {}
        """By address: for the hot lane, which asks `stranger` for who is not in it."""
        self._trust = trust
        self._own = own
        self._workloads: dict[tuple[str, str], tuple[str, str]] = {}

    def install(self, callers: Iterable[Caller]) -> None:
        """From now on these are all."""
        self.known.clear()
        for caller in callers:
            labels = self._labels((caller.namespace, caller.workload))
            known = Known(caller.namespace, labels) if caller.namespace else NODE
            self.known[caller.address] = self._weighed(known, caller.address)

    def stranger(self, address: str) -> Known:
        """Who an address is that no pod has: the node itself, or nobody knows."""
        found = self._weighed(NODE if self._is_own(address) else UNKNOWN, address)
        if len(self.known) < STRANGERS_MOST:
            self.known[address] = found  # until the next `install`, which may know better
        return found

    def _labels(self, workload: tuple[str, str]) -> tuple[str, str]:
        if workload not in self._workloads:
            if len(self._workloads) >= WORKLOADS_MOST:
                return OTHER
            self._workloads[workload] = workload
        return self._workloads[workload]

    def _weighed(self, known: Known, address: str) -> Known:
        return known._replace(trusted=True) if self._trust.includes(address, known.namespace) else known

    def _is_own(self, text: str) -> bool:
        address = ip_address(text)
        return address.is_loopback or any(address in own for own in self._own)
