"""Build hook of hatchling: compiles the twins (MODULES) where there is a C compiler, else does without.

A wheel also carries the examples of docs/policies, which `nodeproxy policies` shows.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError, LinkError

MODULES = ("nodeproxy.protocol.http1.twin", "nodeproxy.protocol.http2.twin", "nodeproxy.io.twin")
FLAGS = ["-O3", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"]


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  its config type is hatchling's own
    """Puts the extensions beside their sources, where both an editable install and a wheel find it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects files; a failure is told and is not an error."""
        if version == "standard":  # an editable install reads them in the repository
            build_data["force_include"]["docs/policies/examples"] = "nodeproxy/cli/reference/example_files"
        extensions = [
            Extension(name, [str(Path(self.root, *name.split(".")).with_suffix(".c"))], extra_compile_args=FLAGS)
            for name in MODULES
        ]
        command = build_ext(Distribution({"name": "nodeproxy", "ext_modules": extensions}))
        command.force = True  # setuptools sees no change in a header
        command.build_lib, command.build_temp = self.root, str(Path(self.directory, "twin"))
        try:
            command.ensure_finalized()
            command.run()
        except (BaseError, CompileError, LinkError, OSError) as error:
            self.app.display_warning(f"no compiled twins, heads will be read in Python: {error}")
            return
        build_data["artifacts"] += [Path(path).relative_to(self.root).as_posix() for path in command.get_outputs()]
        build_data["pure_python"], build_data["infer_tag"] = False, True
