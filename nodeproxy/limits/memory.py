"""The memory that the workers and the control process of a node share, divided into regions that are locked one by one.

The supervisor makes it before it forks, so what it holds outlives every one of them. Locks are POSIX record locks on
its descriptor: the kernel releases those of a process that dies, even between two stores (fcntl(2)).
"""

import mmap
import os
from fcntl import LOCK_EX, LOCK_UN, lockf
from hashlib import blake2b

REGIONS = 16  # a service port has one: two ports seldom wait for the same lock
BUCKETS = 4096  # of each region: 64k on a node
BUCKET_BYTES = 32
LEASES = 64  # of each region: 1024 service ports with a limit of the whole cluster
LEASE_BYTES = 64
LEASES_AT = BUCKETS * BUCKET_BYTES  # within a region, behind its buckets
REGION_BYTES = LEASES_AT + LEASES * LEASE_BYTES
SIZE_BYTES = REGIONS * REGION_BYTES


class Memory:
    """`view` is the memory; a region is locked from `lock` to `unlock`, which a thread never nests.

    Pages that no bucket was in cost nothing.
    """

    __slots__ = ("descriptor", "view")

    def __init__(self, descriptor: int = -1, size_bytes: int = SIZE_BYTES) -> None:
        """Map the memory behind `descriptor`; without one, memory of this process alone, which needs no locks."""
        self.descriptor = descriptor
        self.view = mmap.mmap(descriptor, size_bytes)

    @classmethod
    def shared(cls) -> "Memory":
        """New memory for this process and those that it starts.

        Raises:
            OSError: no descriptor or no memory is available.
        """
        descriptor = os.memfd_create("nodeproxy-limits")
        os.ftruncate(descriptor, SIZE_BYTES)
        return cls(descriptor)

    def lock(self, region: int) -> None:
        """Wait until no other process has this region. It is held for microseconds."""
        lockf(self.descriptor, LOCK_EX, 1, region)

    def unlock(self, region: int) -> None:
        """Let other processes have the region."""
        lockf(self.descriptor, LOCK_UN, 1, region)

    def close(self) -> None:
        """Unmap it; others that have it mapped keep it."""
        self.view.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)


def hashed(*parts: str) -> int:
    """A key of 64 bits, never 0. Two of 64k keys are alike with a probability of 1 in 10 thousand million."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "little") or 1


def region_of(service_port: str) -> int:
    """The region of everything that belongs to a service port, by its name."""
    return hashed(service_port) % REGIONS
