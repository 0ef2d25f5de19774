"""How descriptors are shared out, and what counts as having none."""

import errno
import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from nodeproxy.io.capacity import LEAST, RESERVE, Capacity, comes_of_shortage, is_shortage


@given(files=integers(RESERVE + 4 * LEAST, 1 << 20), most=integers(1, 1 << 17), share=integers(0, 100))
def test_each_client_can_have_an_endpoints_connection_whatever_is_listened_at(files, most, share):
    capacity = Capacity(files, most)
    listeners = capacity.listeners_most * share // 100

    clients = capacity.clients_most(listeners)

    assert 1 <= clients <= most
    assert RESERVE + listeners + 2 * clients <= files


@pytest.mark.parametrize("files", [16, 64, 256])
def test_a_limit_below_the_reserve_leaves_a_few_of_each(files):
    capacity = Capacity(files, 16384)

    assert capacity.clients_most(capacity.listeners_most) == LEAST


def test_a_large_limit_leaves_the_operators_bound():
    assert Capacity(1 << 20, 16384).clients_most(5000) == 16384


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC])
def test_what_this_machine_lacks_is_a_shortage(number):
    assert is_shortage(OSError(number, os.strerror(number)))


@pytest.mark.parametrize("error", [OSError(errno.EADDRINUSE, ""), OSError("no number"), ValueError(errno.EMFILE)])
def test_anything_else_is_none(error):
    assert not is_shortage(error)


def test_a_shortage_is_found_in_what_a_library_made_of_it():
    found = OSError("all attempts failed")
    found.__cause__ = ExceptionGroup("attempts", [OSError(errno.ECONNREFUSED, ""), OSError(errno.EMFILE, "")])

    assert comes_of_shortage(found) and not comes_of_shortage(OSError("all attempts failed"))


def test_a_shortage_is_found_behind_an_error_that_hides_what_it_comes_from():
    error = ConnectionError("no connection")
    error.__context__ = OSError(errno.EMFILE, "Too many open files")
    error.__suppress_context__ = True  # as `raise … from None` does

    assert comes_of_shortage(error)


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = "from nodeproxy.io.capacity import raise_open_files, open_files; print(raise_open_files(), open_files())"
    lower = ["/bin/sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh", sys.executable, "-c", code]

    said = subprocess.run(lower, capture_output=True, text=True, check=True).stdout

    assert said == f"{hard} {hard}\n"
