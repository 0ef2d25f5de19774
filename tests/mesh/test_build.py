"""What an installation says of its build."""

import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from platform import python_version

import pytest

from nodeproxy.exchange import exchange
from nodeproxy.io import calls
from nodeproxy.mesh.build import lane, this_build
from tests.fakes.small_tree import ROOT, write


def test_the_lane_is_the_one_whose_modules_are_imported():
    source = "c-helpers" if calls.COMPILED else "python"

    assert lane() == (source if exchange.__file__.endswith(".py") else "compiled")


def test_the_command_says_all_of_it():
    done = subprocess.run([sys.executable, "-m", "nodeproxy", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout == f"{this_build()}\n"
    assert done.stdout == f"nodeproxy {version('nodeproxy')}, Python {python_version()}, {lane()}\n"


@pytest.mark.parametrize(
    ("compiled", "said"),
    [
        ((), "python"),
        (("io/twin",), "c-helpers"),
        (("io/twin", "exchange/exchange"), "compiled"),
        (("exchange/exchange",), "python"),  # the twins are there, or nothing is
    ],
)
def test_the_lane_is_found_by_what_is_there_and_imports_none_of_it(compiled, said, tmp_path):
    source = (ROOT / "nodeproxy/mesh/build.py").read_text()
    write(
        tmp_path, {"nodeproxy/mesh/build.py": source, "nodeproxy/io/calls.py": "", "nodeproxy/exchange/exchange.py": ""}
    )
    for name in compiled:
        (tmp_path / "nodeproxy" / f"{name}{EXTENSION_SUFFIXES[0]}").write_bytes(b"no library: what loads it fails")

    told = "from nodeproxy.mesh.build import lane; print(lane())"
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == f"{said}\n"
