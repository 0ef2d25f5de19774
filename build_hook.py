"""Build hook of hatchling: compiles what a machine with a C compiler can have compiled, else does without.

An editable install has the twins, the codecs and system calls in C (TWINS). A wheel has the hot lane compiled by mypyc
too, see build_compiled.py, and the examples of docs/policies, which `nodeproxy policies` shows.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError, LinkError

TWINS = ("nodeproxy.protocol.http1.twin", "nodeproxy.protocol.http2.twin", "nodeproxy.io.twin")
FLAGS = ["-O3", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]
NOT_COMPILED = (BaseError, CompileError, LinkError, OSError, SystemExit)  # the last is mypy's


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  its config type is hatchling's own
    """Puts the extensions beside their sources, where both an editable install and a wheel find them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects files; a failure is told and is not an error."""
        twins = self._twins()
        build_data["artifacts"] += [path.relative_to(self.root).as_posix() for path in twins]
        if version == "standard":  # an editable install reads the examples in the repository
            build_data["force_include"]["docs/policies/examples"] = "nodeproxy/cli/reference/example_files"
            build_data["force_include"] |= self._hot_lane() if twins else {}
        if twins:
            build_data["pure_python"], build_data["infer_tag"] = False, True

    def _twins(self) -> list[Path]:
        extensions = [
            Extension(name, [str(Path(self.root, *name.split(".")).with_suffix(".c"))], extra_compile_args=FLAGS)
            for name in TWINS
        ]
        command = build_ext(Distribution({"name": "nodeproxy", "ext_modules": extensions}))
        command.force = True  # setuptools sees no change in a header
        command.build_lib, command.build_temp = self.root, str(Path(self.directory, "twin"))
        try:
            command.ensure_finalized()
            command.run()
        except NOT_COMPILED as error:
            self.app.display_warning(f"no compiled twins, heads will be read in Python: {error}")
            return []
        return [Path(path) for path in command.get_outputs()]

    def _hot_lane(self) -> dict[str, str]:
        """The libraries of the hot lane, and their places in the wheel; the source tree stays as it is."""
        work = Path(self.directory, "compiled")
        sys.path.insert(0, self.root)
        try:
            from build_compiled import compile_once

            wheel = compile_once(Path(self.root), work)  # pip asks for the metadata first, and so for a whole wheel
            return {str(path): path.relative_to(wheel).as_posix() for path in wheel.rglob("*.so")}
        except (ImportError, *NOT_COMPILED) as error:
            self.app.display_warning(f"the hot lane is not compiled, and runs as Python: {error}")
            return {}
        finally:
            sys.path.remove(self.root)
