"""Packages of custom policies, as somebody outside of the repository makes and installs them."""

import re
import subprocess
import sys
from pathlib import Path

from nodeproxy.cli.new_policy import make
from tests.fakes.node import COMMAND_LIMIT_S

PAGE = (Path(__file__).parents[2] / "docs" / "write-a-policy.md").read_text()


def example(name):
    """The text of the page's example of this name."""
    (text,) = re.findall(rf"<!-- example: {re.escape(name)} -->\n```\w*\n(.*?)```\n", PAGE, re.DOTALL)
    return text


def made(name, into, module="", test=""):
    """The folder of a package that `nodeproxy new-policy` has made, with another module and test where given."""
    folder = make(name, into)
    (path,) = folder.glob("nodeproxy_*.py")
    if module:
        path.write_text(module)
        (folder / f"test_{path.name}").write_text(test)
    return folder


def install(target, *folders):
    """Install packages into the folder `target`, without a registry."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index",
         "--no-build-isolation", "--target", str(target), *map(str, folders)], check=True, timeout=COMMAND_LIMIT_S,
    )  # fmt: skip


def run_tests_of(folder):
    """What pytest says about a package in a process of its own, in its folder and without settings of this one."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."],
        cwd=folder, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False,
    )  # fmt: skip
