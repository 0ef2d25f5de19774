"""What an installation says of its build."""

import subprocess
import sys
from importlib.metadata import version

from nodeproxy.exchange import exchange
from nodeproxy.io import calls
from nodeproxy.mesh.build import lane, this_build


def test_the_lane_is_the_one_whose_modules_are_imported():
    source = "c-helpers" if calls.COMPILED else "python"

    assert lane() == (source if exchange.__file__.endswith(".py") else "compiled")


def test_the_command_says_all_of_it():
    done = subprocess.run([sys.executable, "-m", "nodeproxy", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"{this_build()}\n"
    assert version("nodeproxy") in done.stdout and lane() in done.stdout
