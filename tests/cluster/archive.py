"""An image from a folder, without a builder: one layer, as a docker-archive that containerd and buildah read.

python3 archive.py NAME OUT.tar FOLDER [WORD of the entrypoint]...
"""

import hashlib
import io
import json
import os
import sys
import tarfile

DATE = "1970-01-01T00:00:00Z"  # the same folder gives the same image
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write(name: str, out: str, folder: str, entrypoint: list[str]) -> None:
    """Write the image `name` to the file `out`."""
    layer = _layer(folder)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64", "os": "linux", "created": DATE,
            "config": {"Env": [PATH], "Entrypoint": entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}, "history": [{"created": DATE}],
        }
    ).encode()  # fmt: skip
    config_name, layer_name = f"{hashlib.sha256(config).hexdigest()}.json", f"{digest}.tar"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [layer_name]}]).encode()
    with tarfile.open(out, "w") as archive:
        for member, content in ((config_name, config), (layer_name, layer), ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))


def _layer(folder: str) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for entry in sorted(os.listdir(folder)):
            layer.add(os.path.join(folder, entry), arcname=entry)
    return held.getvalue()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
