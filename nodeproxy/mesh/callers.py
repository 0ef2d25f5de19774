"""Callers: maps a client's address to the pod of this node that has it.

Addresses are reused, so only the latest snapshot from discovery counts.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from nodeproxy.mesh.address import Range
from nodeproxy.mesh.model import Caller
from nodeproxy.mesh.trust import TRUST_NONE, Trust

WORKLOADS_MOST = 256  # distinct in metrics: pods of one node, and their replacements
STRANGERS_MOST = 1024  # addresses without a pod that are cached


class Known(NamedTuple):
    """A caller as requests see it."""

    namespace: str
    """Of the pod; "" if the caller is not known to be a pod."""
    labels: tuple[str, str]
    """Namespace and workload for metrics and logs: of bounded cardinality."""
    trusted: bool = False
    """Whether its X-Forwarded-For fields are accepted."""


UNKNOWN = Known("", ("", "unknown"))
NODE = Known("", ("", "node"))
OTHER = ("", "other")


def caller_text(namespace: str, workload: str) -> str:
    """A caller by its labels: `<namespace>/<workload>`, or `node`, `unknown`, `other` of what is no pod."""
    return f"{namespace}/{workload}" if namespace else workload


class Callers:
    """The known callers. `own` are the ranges whose addresses only this node itself uses as a source.

    Trust is computed once per address and again at every `install`: a pod that reuses an address does not inherit the
    trust of the previous pod's namespace.
    """

    def __init__(self, own: Sequence[Range] = (), trust: Trust = TRUST_NONE) -> None:
        self.known: dict[str, Known] = {}
        """By address: for the hot lane, which calls `stranger` for an address that is not in it."""
        self._trust = trust
        self._own = own
        self._workloads: dict[tuple[str, str], tuple[str, str]] = {}

    def install(self, callers: Iterable[Caller]) -> None:
        """Replace all known callers."""
        self.known.clear()
        for caller in callers:
            labels = self._labels((caller.namespace, caller.workload))
            known = Known(caller.namespace, labels) if caller.namespace else NODE
            self.known[caller.address] = self._with_trust(known, caller.address)

    def stranger(self, address: str) -> Known:
        """The caller at an address that no pod has: the node itself, or unknown."""
        found = self._with_trust(NODE if self._is_own(address) else UNKNOWN, address)
        if len(self.known) < STRANGERS_MOST:
            self.known[address] = found  # until the next `install`, which may have a pod for it
        return found

    def _labels(self, workload: tuple[str, str]) -> tuple[str, str]:
        if workload not in self._workloads:
            if len(self._workloads) >= WORKLOADS_MOST:
                return OTHER
            self._workloads[workload] = workload
        return self._workloads[workload]

    def _with_trust(self, known: Known, address: str) -> Known:
        return known._replace(trusted=True) if self._trust.includes(address, known.namespace) else known

    def _is_own(self, text: str) -> bool:
        address = ip_address(text)
        return address.is_loopback or any(address in own for own in self._own)
