"""Leases: what this node may use now of a limit of the cluster. The control process fills them, workers use them up.

A worker takes a token while `balance` is above minus `credit`; the control process pays for what was taken and leases
more. A lease that it has not renewed in time, because the server or the control process is gone, is not in force.
"""

from struct import Struct
from typing import NamedTuple

from nodeproxy.limits.memory import LEASE_BYTES, LEASES, LEASES_AT, REGION_BYTES, Memory, hashed, region_of

PROBES = 8
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

    __slots__ = ("at", "key", "region")

    def __init__(self, service_port: str) -> None:
        self.region = region_of(service_port)
        self.key = hashed(service_port, "global")
        self.at = -1


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
            if not self._found(lease) and not self._placed(lease):
                return False
            key, balance, _, asked, _, _ = _read(self._view, lease.at)
            _write(self._view, lease.at, key, balance + added, credit, asked, until, nodes)
            return True
        finally:
            self._unlock(lease)

    def suspend(self, lease: Lease) -> None:
        """Let the lease be in force no longer, and forget its balance: it is paid or lost."""
        self._lock(lease)
        try:
            if self._found(lease):
                key, _, credit, asked, _, nodes = _read(self._view, lease.at)
                _write(self._view, lease.at, key, 0.0, credit, asked, 0.0, nodes)
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
        return self._look_for(lease, lease.key)

    def _placed(self, lease: Lease) -> bool:
        if not self._look_for(lease, 0):
            return False
        _write(self._view, lease.at, lease.key, *LeaseState())
        return True

    def _look_for(self, lease: Lease, key: int) -> bool:
        base = lease.region * REGION_BYTES + LEASES_AT
        for probe in range(PROBES):
            at = base + (lease.key + probe) % LEASES * LEASE_BYTES
            if _read(self._view, at)[0] == key:
                lease.at = at
                return True
        return False

    def _lock(self, lease: Lease) -> None:
        if self._memory.descriptor >= 0:
            self._memory.lock(lease.region)

    def _unlock(self, lease: Lease) -> None:
        if self._memory.descriptor >= 0:
            self._memory.unlock(lease.region)
