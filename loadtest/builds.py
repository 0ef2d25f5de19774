"""The builds of nodeproxy that are measured: compiled, as in the image, and its source with the C helpers alone.

Each is a copy of nodeproxy/ and discovery/ in the cache, made once for each version of the sources, so that nothing is
compiled in the repository. A process runs one with `environment_of`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from loadtest.errors import BenchmarkError
from loadtest.toolbox import REPOSITORY, Toolbox

Build = Literal["compiled", "source"]
PACKAGES = ("nodeproxy", "discovery")
_OF_THE_BUILD = ("build_compiled.py", "pyproject.toml")


def tree_of(build: Build, toolbox: Toolbox) -> Path:
    """The folder of a build.

    Raises: BenchmarkError when it cannot be compiled.
    """
    tree = toolbox.cache / "builds" / f"{build}-{_digest()}"
    if tree.exists():
        return tree
    new = tree.with_suffix(f".new-{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, new / package, ignore=_compiled_in_place)
    if build == "compiled":
        for name in _OF_THE_BUILD:
            shutil.copy(REPOSITORY / name, new / name)
        done = subprocess.run(
            [sys.executable, "build_compiled.py"], cwd=new, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"nodeproxy does not compile:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        shutil.rmtree(new / "build")
    new.rename(tree)
    return tree


def environment_of(build: Build, toolbox: Toolbox) -> Mapping[str, str]:
    """What lets a Python process, and those that it starts, run this build.

    Raises: BenchmarkError: see `tree_of`.
    """
    return {"PYTHONPATH": str(tree_of(build, toolbox)), "PYTHONSAFEPATH": "1"}  # else the current folder is before it


def _digest() -> str:
    """Of all that the copies are made from."""
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*")):
            if path.is_file() and path.suffix != ".pyc" and (path.suffix != ".so" or path.name.startswith("twin.")):
                digest.update(bytes(path.relative_to(REPOSITORY)) + path.read_bytes())
    for name in _OF_THE_BUILD:
        digest.update((REPOSITORY / name).read_bytes())
    return digest.hexdigest()[:12]


def _compiled_in_place(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or (name.endswith(".so") and not name.startswith("twin."))}
