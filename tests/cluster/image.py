"""The repository's image from its Containerfile, on a local stand-in for its base image; buildah keeps its layers.

python3 image.py OUT.tar
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = "docker.io/library/nodeproxy:dev"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # lent to the builder, whose package mirrors may be our own


def build(home: Path, out: Path) -> None:
    """Build the image with the programs in `home` (see `make kube`) and write it to `out`, a docker-archive.

    Raises:
        CalledProcessError: it cannot be built; the builder has said why.
    """
    store = [f"--root={home / 'store'}", f"--runroot={home / 'store-run'}", "--storage-driver=overlay"]
    policy = f"--signature-policy={home / 'root/etc/containers/policy.json'}"
    environment = {
        **os.environ, "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf"), "BUILDAH_ISOLATION": "chroot",
    }  # fmt: skip
    (home / "registries.conf").write_text("")

    def buildah(*words: str) -> None:
        subprocess.run([str(home / "bin/buildah"), *store, *words], check=True, env=environment, stdout=sys.stderr)

    buildah("pull", "--quiet", policy, f"docker-archive:{home / 'base.tar'}")
    pip = home / "pip.conf"
    bundle = os.environ.get("PIP_CERT", "")
    pip.write_text(f"[global]\ncert = {bundle}\n" if bundle else "")
    lent = [f"--volume={pip}:/etc/pip.conf:ro", "--volume=/etc/ssl/certs:/etc/ssl/certs:ro"]
    buildah(
        "build",
        "--layers",
        "--quiet",
        policy,
        *lent,
        "--build-arg=BASE=localhost/base:latest",
        f"--tag={NAME}",
        str(ROOT),
    )
    out.unlink(missing_ok=True)
    buildah("push", "--quiet", policy, NAME, f"docker-archive:{out}:{NAME}")


if __name__ == "__main__":
    build(Path(os.environ["KUBE_HOME"]), Path(sys.argv[1]))
