"""The ports that tests give to the programs they start."""

import subprocess
import sys

from tests.fakes.ports import BLOCK_PORTS, UNSAFE, free_port


def test_no_port_is_given_twice_in_a_row_of_hundred():
    assert len({free_port() for _ in range(100)}) == 100


def test_another_test_run_takes_its_ports_elsewhere():
    one = [sys.executable, "-c", "from tests.fakes.ports import free_port; print(free_port())"]

    other = int(subprocess.run(one, capture_output=True, text=True, check=True).stdout)

    assert free_port() // BLOCK_PORTS != other // BLOCK_PORTS


def test_a_browser_opens_every_port_given():
    assert UNSAFE not in {free_port() for _ in range(BLOCK_PORTS // 2)}
