"""A process that has run out of descriptors, without opening thousands of them."""

import os
import resource
from contextlib import contextmanager


@contextmanager
def none_left(but=0):
    """As long as this lasts no more than `but` descriptors can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.dup(0) for _ in range(but + 1)]  # the lowest free numbers; the last one is just beyond the limit
    taken = set(map(int, os.listdir("/proc/self/fd")))
    limit = free[-1]
    assert taken >= set(range(limit)), "a lower number is free"
    for number in free:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
