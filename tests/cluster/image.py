"""The repository's image from its Containerfile, on a local stand-in for its base image; buildah keeps its layers.

python3 image.py OUT.tar
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = "/opt/nodeproxy/bin/python3"
NAME = "docker.io/library/nodeproxy:dev"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # lent to the builder, whose package mirrors may be our own


def build(home: Path, out: Path) -> None:
    """Build the image with the programs in `home` (see `make kube`) and write it to `out`, a docker-archive.

    Raises:
        CalledProcessError: it cannot be built; the builder has said why.
    """
    (home / "registries.conf").write_text("")
    buildah(home, "pull", "--quiet", _policy(home), f"docker-archive:{home / 'base.tar'}")
    pip = home / "pip.conf"
    bundle = os.environ.get("PIP_CERT", "")
    pip.write_text(f"[global]\ncert = {bundle}\n" if bundle else "")
    lent = [f"--volume={pip}:/etc/pip.conf:ro", "--volume=/etc/ssl/certs:/etc/ssl/certs:ro"]
    base = "--build-arg=BASE=localhost/base:latest"
    buildah(home, "build", "--layers", "--quiet", _policy(home), *lent, base, f"--tag={NAME}", str(ROOT))
    out.unlink(missing_ok=True)
    buildah(home, "push", "--quiet", _policy(home), NAME, f"docker-archive:{out}:{NAME}")


def output_of(home: Path, folder: Path, *words: str, **variables: str) -> str:
    """What `nodeproxy` says in a container of the image that is built from `folder` upon the repository's.

    Raises:
        CalledProcessError: it cannot be built, or the command fails.
    """
    name = f"localhost/{folder.name}"
    buildah(home, "build", "--quiet", "--pull=never", _policy(home), f"--tag={name}", str(folder))
    container = buildah(home, "from", "--pull=never", _policy(home), name).strip()
    try:
        settings = [f"--env={key}={value}" for key, value in variables.items()]
        return buildah(home, "run", *settings, container, "--", PYTHON, "-m", "nodeproxy", *words)
    finally:
        buildah(home, "rm", container)
        buildah(home, "rmi", name)


def buildah(home: Path, *words: str) -> str:
    """What a command of the builder prints.

    Raises:
        CalledProcessError: it has failed.
    """
    store = [f"--root={home / 'store'}", f"--runroot={home / 'store-run'}", "--storage-driver=overlay"]
    environment = {
        **os.environ, "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf"), "BUILDAH_ISOLATION": "chroot",
    }  # fmt: skip
    command = [str(home / "bin/buildah"), *store, *words]
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout


def _policy(home: Path) -> str:
    return f"--signature-policy={home / 'root/etc/containers/policy.json'}"


if __name__ == "__main__":
    build(Path(os.environ["KUBE_HOME"]), Path(sys.argv[1]))
