"""Leases: what this node may use now of a limit of the cluster. The control process fills them, workers use them up.

A worker takes a token while `balance` is above minus `credit`; the control process pays for what was taken and leases
more. A lease that it has not renewed in time, because the server or the control process is gone, is not in force.
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from nodeproxy.limits.memory import LEASE_BYTES, LEASES, LEASES_AT, REGION_BYTES, Memory, hashed, region_of

PROBES = 8
FORGOTTEN_S = 60.0  # a lease that ended so long ago is of a service that went while the control process was away
_SLOT = Struct("<Qddddd")  # key, balance, credit, requests that asked (total), in force until (monotonic), nodes
_read, _write = _SLOT.unpack_from, _SLOT.pack_into


class Unleased(NamedTuple):
    """No lease is in force."""

    nodes: float
    """How many nodes used the limit when the server was last heard, at least 1."""


class Exhausted(NamedTuple):
    """The lease in force has no token left."""


class LeaseState(NamedTuple):
    """A lease as it is stored."""

    balance: float = 0.0
    """Tokens leased and not used; less than 0: used and not paid yet."""
    credit: float = 0.0
    """Tokens that may be used before they are paid."""
    asked: float = 0.0
    """Requests that have asked for a token, in total."""
    until: float = 0.0
    """When it ends, monotonic seconds."""
    nodes: float = 1.0


class Lease:
    """The place of a service port's lease."""

    __slots__ = ("at", "key", "nodes", "region")

    def __init__(self, service_port: str) -> None:
        self.region = region_of(service_port)
        self.key = hashed(service_port, "global")
        self.at = -1
        self.nodes = 1.0
        """How many nodes use the limit, as the last `take` found it."""


class Leases:
    """All leases of a node."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._view = memory.view

    def take(self, lease: Lease, now: float) -> Unleased | Exhausted | None:
        """Take a token. The caller has locked the region."""
        if not self._found(lease):
            return Unleased(1.0)
        key, balance, credit, asked, until, nodes = _read(self._view, lease.at)
        lease.nodes = nodes
        if now >= until:
            return Unleased(nodes)
        short = balance + credit < 1.0
        _write(self._view, lease.at, key, balance if short else balance - 1.0, credit, asked + 1.0, until, nodes)
        return Exhausted() if short else None

    def read(self, lease: Lease) -> LeaseState:
        """The lease as it is now; the default if there is none."""
        return LeaseState(*_read(self._view, lease.at)[1:]) if self._found(lease) else LeaseState()

    def renew(self, lease: Lease, added: float, credit: float, until: float, nodes: float) -> bool:
        """Add tokens to the balance and set the rest; returns False if there is no room for another lease."""
        self._lock(lease)
        try:
            if not self._found(lease) and not self._placed(lease, until - FORGOTTEN_S):
                return False
            key, balance, _, asked, _, _ = _read(self._view, lease.at)
            _write(self._view, lease.at, key, balance + added, credit, asked, until, nodes)
            return True
        finally:
            self._unlock(lease)

    def suspend(self, lease: Lease) -> None:
        """Let the lease be in force no longer. What is left of it is lost, what is not paid stays so."""
        self._lock(lease)
        try:
            if self._found(lease):
                key, balance, credit, asked, _, nodes = _read(self._view, lease.at)
                _write(self._view, lease.at, key, min(0.0, balance), credit, asked, 0.0, nodes)
        finally:
            self._unlock(lease)

    def end(self, lease: Lease) -> None:
        """Free the lease's place: the service port has no such limit any more."""
        self._lock(lease)
        try:
            if self._found(lease):
                _write(self._view, lease.at, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
        finally:
            self._unlock(lease)

    def _found(self, lease: Lease) -> bool:
        if lease.at >= 0 and _read(self._view, lease.at)[0] == lease.key:
            return True
        for at in self._places(lease):
            if _read(self._view, at)[0] == lease.key:
                lease.at = at
                return True
        return False

    def _placed(self, lease: Lease, forgotten_since: float) -> bool:
        for at in self._places(lease):
            key, _, _, _, until, _ = _read(self._view, at)
            if not key or until < forgotten_since:
                lease.at = at
                _write(self._view, at, lease.key, *LeaseState())
                return True
        return False

    def _places(self, lease: Lease) -> Iterator[int]:
        base = lease.region * REGION_BYTES + LEASES_AT
        return (base + (lease.key + probe) % LEASES * LEASE_BYTES for probe in range(PROBES))

    def _lock(self, lease: Lease) -> None:
        if self._memory.descriptor >= 0:
            self._memory.lock(lease.region)

    def _unlock(self, lease: Lease) -> None:
        if self._memory.descriptor >= 0:
            self._memory.unlock(lease.region)
