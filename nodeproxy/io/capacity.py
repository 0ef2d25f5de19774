"""How many descriptors each kind of socket may take, so that no kind can take those of another.

A process has RLIMIT_NOFILE of them. Some are set aside for what must work when the worker is full of clients: admin
pages, DNS, health probes, discovery. Of the others listeners get at most half, and what listeners leave is shared
evenly: a client's request may need a connection to an endpoint, so there is one for each client.
"""

import errno
import resource
from contextlib import suppress
from dataclasses import dataclass

ADMIN_MOST = 32  # connections at once: kubelet, Prometheus and a person; further ones replace those idle longest
DNS_TCP_MOST = 64  # connections at once; resolvers keep one or two
PROBES_MOST = 64  # connections of health probes that are kept between two probes; and as many that are not
OWN = 64  # a worker's epolls, pipes and listeners before any service (20), and what a library opens for a moment
RESERVE = ADMIN_MOST + DNS_TCP_MOST + 2 * PROBES_MOST + OWN
LEAST = 8  # of each kind, under a limit so low that the reserve takes it all
SUPERVISOR_RESERVE = 512  # of 64 workers six each, and pipes; it holds listeners of workers in the others
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one process may open. `files` is its limit of open files, `connections_most` the operator's own bound."""

    files: int
    connections_most: int

    @property
    def shared(self) -> int:
        """Descriptors that are not set aside. The kernel gives the lowest free number, so the first socket with this
        number says that all of them are taken."""
        return max(self.files - RESERVE, 4 * LEAST)

    @property
    def listeners_most(self) -> int:
        """How many virtual addresses may be listened at."""
        return self.shared // 2

    def clients_most(self, listeners: int) -> int:
        """How many clients may be connected while so many virtual addresses are listened at."""
        return min(self.connections_most, max(LEAST, (self.shared - listeners) // 2))


def raise_open_files() -> int:
    """Raise this process' soft limit of open files to the hard one, for its children too; returns what it is now.

    Container runtimes start processes with 1,024, for programs that use select(2); nothing here does.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # a sandbox may refuse it: what there is has to do
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return open_files()


def open_files() -> int:
    """This process' soft limit of open files."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def is_shortage(error: BaseException) -> bool:
    """Whether this process or its machine has run out of something, and `error` says nothing of a peer."""
    return isinstance(error, OSError) and error.errno in _SHORTAGES


def comes_of_shortage(error: BaseException) -> bool:
    """Whether `error`, or what a library made it from, is a shortage.

    httpcore raises `from None`, which leaves the context.
    """
    within = [
        *(error.exceptions if isinstance(error, BaseExceptionGroup) else ()),
        error.__cause__ or error.__context__,
    ]
    return is_shortage(error) or any(comes_of_shortage(each) for each in within if each is not None)
