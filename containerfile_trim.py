"""What an installed environment holds that a running proxy does not need; for the Containerfile.

python containerfile_trim.py ENVIRONMENT           # before nodeproxy is installed there
python containerfile_trim.py --own ENVIRONMENT     # and afterwards
"""

import compileall
import shutil
import subprocess
import sys
from pathlib import Path


def trim(environment: Path) -> None:
    """Take away what is not needed: about half of the bytes."""
    packages = next(environment.glob("lib/python3*/site-packages"))
    for each in list(packages.glob("**/")):
        if each.name in ("_tests", "tests", "__pycache__"):
            shutil.rmtree(each, ignore_errors=True)
    for pattern in ("*.md", "pyproject.toml", "**/*.pyi", "**/*.pyx", "**/*.pxd"):
        for each in list(packages.glob(pattern)):
            each.unlink()
    # cryptography loads only _cffi_backend, beside cffi; rich loads pygments only for source code and Markdown
    for each in ("cffi", "pycparser", "pygments"):
        shutil.rmtree(packages / each, ignore_errors=True)
    _generated_client(packages / "kubernetes_asyncio")
    for each in packages.glob("**/*.so"):
        subprocess.run(["strip", "--strip-unneeded", each], check=True)
    _one_interpreter(environment / "bin")


def _generated_client(package: Path) -> None:
    """Bytecode in the place of 22 MB of generated source, without its docstrings, which would be kept in memory too."""
    assert compileall.compile_dir(package, quiet=1, legacy=True, optimize=2)
    for each in list(package.glob("**/*.py")):
        each.unlink()


def _one_interpreter(folder: Path) -> None:
    """`venv --copies` makes three; the others lead to the base's, which carries no capability."""
    for each in ("python", f"python3.{sys.version_info.minor}"):
        (folder / each).unlink()
        (folder / each).symlink_to(Path(sys.executable).resolve())


def trim_own(environment: Path) -> None:
    """Take symbols from what is compiled of nodeproxy itself, and the bytecode that is not read because of it."""
    packages = next(environment.glob("lib/python3*/site-packages"))
    for each in (*packages.glob("nodeproxy__mypyc.*.so"), *packages.glob("nodeproxy/**/*.so")):
        subprocess.run(["strip", "--strip-unneeded", each], check=True)
        for bytecode in (each.parent / "__pycache__").glob(f"{each.name.partition('.')[0]}.*.pyc"):
            bytecode.unlink()


if __name__ == "__main__":
    trim_own(Path(sys.argv[2])) if sys.argv[1] == "--own" else trim(Path(sys.argv[1]))
