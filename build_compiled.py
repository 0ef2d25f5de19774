"""Compiles the modules of the hot lane with mypyc, beside their sources: for `make compiled`, and for a wheel.

Python imports a compiled module instead of its source, which stays the law: the same tests run on both.
"""

import ast
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

ROOMS = ("balance", "downstream", "exchange", "io", "limits", "multiplex", "policies", "protocol", "routing", "table",
         "telemetry", "upstream")  # fmt: skip
# Bases whose classes are made by a metaclass of their own, from annotations that mypyc does not keep.
MADE_OTHERWISE = {"BaseModel", "Block", "PolicySettings", "Struct"}
SOURCE_ONLY = {
    *(f"policies/{name}.py" for name in (  # read and check tables, once for each
        "chain", "contradictions", "destinations", "limit_server", "own", "percentage", "registry", "rule_checks",
        "rule_policies", "table", "table_faults",
    )),
    "telemetry/accesslog.py", "telemetry/logs.py",  # of the trio lane
}  # fmt: skip
OPTIMISED = "1"  # 2 and 3 run as fast, and take a third longer to build
GROUP = "nodeproxy"  # the shared library of all of them: nodeproxy__mypyc


def compiled_modules(root: Path) -> list[Path]:
    """The sources to compile, below `root`, in a fixed order."""
    package = root / "nodeproxy"
    found = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    return [path for path in found if str(path.relative_to(package)) not in SOURCE_ONLY and _is_plain(path)]


def compile_beside(root: Path, work: Path, into: Path | None = None) -> list[Path]:
    """Compile the sources of `root`, with intermediate files in the folder `work`; returns the shared libraries.

    They are beside their sources, or at the same places below `into`.

    Raises:
        SystemExit: mypy finds an error.
        setuptools.errors.BaseError: there is no C compiler, or it fails.
    """
    from mypyc.build import mypycify  # takes half a second, and `compiled_modules` needs none of it

    before = Path.cwd()
    os.chdir(root)  # mypy names modules by their paths from here
    try:
        sources = [str(path.relative_to(root)) for path in compiled_modules(root)]
        extensions = mypycify(
            ["--config-file", "pyproject.toml", *sources],
            opt_level=OPTIMISED, debug_level="0", multi_file=True, group_name=GROUP, target_dir=str(work),
        )  # fmt: skip
        for each in extensions:
            each.extra_compile_args += [
                "-fvisibility=hidden",  # 9,000 names fewer to find and keep: 0.8 MB
                "-fno-asynchronous-unwind-tables",  # of use to debuggers alone: 0.7 MB
            ]
            each.extra_link_args.append("-Wl,-z,noseparate-code")  # one of 220 libraries is half as large without
        command = _Parallel(Distribution({"name": "nodeproxy", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(into or root), str(work)
        command.force = True  # what has not changed is as new as what has
        command.ensure_finalized()
        command.run()
        return [Path(output) for output in command.get_outputs()]
    finally:
        os.chdir(before)


def compile_once(root: Path, work: Path) -> Path:
    """The folder below `work` that has the libraries of these sources, compiled if it has not yet.

    Raises:
        SystemExit, setuptools.errors.BaseError: see `compile_beside`.
    """
    told = hashlib.sha256(sys.version.encode())
    for path in (Path(__file__), *sorted((root / "nodeproxy").rglob("*.py"))):
        told.update(path.read_bytes())
    folder = work / told.hexdigest()[:16]
    done = folder / "done"
    if not done.exists():
        compile_beside(root, work, into=folder)
        done.touch()
    return folder


def _is_plain(path: Path) -> bool:
    if path.name == "__init__.py":
        return False
    bases = [
        base for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.ClassDef) for base in each.bases
    ]
    return not any(ast.unparse(base).rpartition(".")[2] in MADE_OTHERWISE for base in bases)


class _Parallel(build_ext):
    """Compiles the sources of one extension on all cores; setuptools would do one after the other."""

    def build_extension(self, ext: Extension) -> None:
        compile_one = partial(
            self.compiler.compile, output_dir=self.build_temp, include_dirs=ext.include_dirs,
            extra_postargs=ext.extra_compile_args, depends=ext.depends,
        )  # fmt: skip
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            compiled = list(pool.map(lambda source: compile_one([source]), ext.sources))
        ext.extra_objects, ext.sources = [path for paths in compiled for path in paths], []
        super().build_extension(ext)


if __name__ == "__main__":
    here = Path(__file__).parent.resolve()
    print(f"{len(compile_beside(here, here / 'build' / 'compiled'))} modules compiled")
