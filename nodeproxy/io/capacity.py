"""The descriptor budget: how many descriptors each kind of socket may use, so that no kind exhausts another's.

A process has RLIMIT_NOFILE descriptors. A reserve covers what must work when the worker is full of clients: admin
pages, DNS, health probes, discovery. Listeners use at most half of the rest, UDP sessions a quarter where a service has
a UDP port; downstream and upstream connections share the remainder evenly, because each client's request may need a
connection to an endpoint.
"""

import errno
import os
import resource
from contextlib import suppress
from dataclasses import dataclass

ADMIN_MOST = 32  # connections at once: kubelet, Prometheus, an operator; further ones replace those idle longest
DNS_TCP_MOST = 64  # connections at once; resolvers keep one or two
PROBES_MOST = 64  # connections of health probes reused between two probes; and as many that are not
OWN = 64  # a worker's epolls, pipes and listeners before any service (20), and what a library opens for a moment
RESERVE = ADMIN_MOST + DNS_TCP_MOST + 2 * PROBES_MOST + OWN
UDP_SESSIONS_MOST = 8192  # 1.6 s of 5,000 DNS queries a second; three workers fit into the usual 28,232 local ports
LEAST = 8  # of each kind, when the limit is lower than the reserve
SUPERVISOR_RESERVE = 512  # six for each of 64 workers, and pipes; the others hold the workers' listeners
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one process may open. `files` is its limit of open files, `connections_most` the operator's own bound."""

    files: int
    connections_most: int
    udp_sessions_most: int = UDP_SESSIONS_MOST
    """The operator's bound of UDP sessions, each of which has one descriptor."""

    @property
    def shared(self) -> int:
        """Descriptors outside the reserve. The kernel assigns the lowest free number, so a socket with this number
        shows that all of them are in use."""
        return max(self.files - RESERVE, 4 * LEAST)

    @property
    def listeners_most(self) -> int:
        """How many virtual addresses may have a listener."""
        return self.shared // 2

    @property
    def sessions_most(self) -> int:
        """How many UDP sessions there may be, if any service has a UDP port."""
        return min(self.udp_sessions_most, self.shared // 4)

    def clients_most(self, listeners: int, sessions: int = 0) -> int:
        """How many clients may be connected while that many virtual addresses have a listener, beside UDP sessions."""
        return min(self.connections_most, max(LEAST, (self.shared - listeners - sessions) // 2))


def raise_open_files() -> int:
    """Raise this process' soft limit of open files to the hard one, for its children too; returns the new limit.

    Container runtimes start processes with 1,024, for programs that use select(2); nothing here uses it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # a sandbox may refuse it: the soft limit stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return open_files()


def open_files() -> int:
    """This process' soft limit of open files."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def is_shortage(error: BaseException) -> bool:
    """Whether `error` means that this process or its machine ran out of a resource; a peer has no part in it."""
    return isinstance(error, OSError) and error.errno in _SHORTAGES


def comes_of_shortage(error: BaseException) -> bool:
    """Whether `error`, or an error that caused it, is a shortage.

    httpcore raises `from None`, which preserves the context.
    """
    within = [
        *(error.exceptions if isinstance(error, BaseExceptionGroup) else ()),
        error.__cause__ or error.__context__,
    ]
    return is_shortage(error) or any(comes_of_shortage(each) for each in within if each is not None)


def descriptors_open() -> int:
    """How many descriptors this process has open."""
    # Linux 6.2 and later has the number as the size of the folder; listing 16,000 takes 4 ms, so it is the fallback.
    folder = "/proc/self/fd"
    return os.stat(folder).st_size or len(os.listdir(folder))
