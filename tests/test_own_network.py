"""The network of a test run is its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ENTER_AND_LISTEN = """
import socket, sys
from tests.fakes.own_network import enter_own_network
print(enter_own_network())
socket.create_server(("127.77.0.9", int(sys.argv[1])))
"""


def test_an_address_that_another_run_has_is_free_for_root_and_taken_without():
    with socket.create_server(("127.77.0.9", 0)) as other:
        command = [sys.executable, "-c", ENTER_AND_LISTEN, str(other.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])

    root = not os.geteuid()
    assert (done.stdout, done.returncode) == (f"{root}\n", 0 if root else 1), done.stderr
    assert root or "Address already in use" in done.stderr
