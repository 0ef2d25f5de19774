"""Whether this machine has what the settings name, asked once before anything is started: what is missing now would
else be found by a child that dies of it and is started again for ever. Sockets are not asked for here, they are opened.
"""

import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nodeproxy.settings import Settings, ready_file

SOCKET_PATH_BYTES = 107  # unix(7): sun_path has 108, the last is zero
SOCKET_NAME = "discovery.sock"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # of a pod, where Kubernetes mounts it


class CannotStart(Exception):
    """A setting names something that is not there, or cannot be used; the text says which and what to do."""


def look_around(settings: Settings, environment: Mapping[str, str], account: Path = ACCOUNT) -> None:
    """Look at everything that the settings name in the file system.

    Raises:
        CannotStart: something of it cannot be used.
    """
    kind, _, where = settings.discovery.partition(":")
    if kind == "files":
        _folder_of_yaml(Path(where))
    elif where:
        _kubeconfig(Path(where))
    else:
        _account(environment, account)
    if settings.state_file:
        _state_file(Path(settings.state_file))
    if settings.run_dir:
        _run_dir(Path(settings.run_dir))
    else:
        _temporary_run_dir()


def _folder_of_yaml(folder: Path) -> None:
    try:
        os.listdir(folder)
    except OSError as error:
        raise CannotStart(f"discovery: no folder of YAML at {folder}: {error.strerror}") from error


def _kubeconfig(path: Path) -> None:
    import yaml  # only here: a pod has none, and need not pay for it

    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CannotStart(f"discovery: no kubeconfig at {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotStart(f"discovery: {path} is no kubeconfig: it is no YAML") from error
    if not isinstance(found, dict) or not found.get("clusters") or not found.get("contexts"):
        raise CannotStart(f"discovery: {path} is no kubeconfig: it names no clusters and contexts")
    if not found.get("current-context"):
        raise CannotStart(f"discovery: {path} has no current-context; kubectl config use-context sets it")


def _account(environment: Mapping[str, str], account: Path) -> None:
    if not environment.get("KUBERNETES_SERVICE_HOST") or not environment.get("KUBERNETES_SERVICE_PORT"):
        raise CannotStart(
            "discovery: kube: is for pods, and this is none (no KUBERNETES_SERVICE_HOST); name a kubeconfig"
        )
    for name in ("token", "ca.crt"):
        if not (account / name).is_file():
            raise CannotStart(f"discovery: no {account / name}; the pod needs automountServiceAccountToken")


def _state_file(path: Path) -> None:
    if path.is_dir():
        raise CannotStart(f"state_file: {path} is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise CannotStart(f"state_file: nothing can be written in {path.parent}: {error.strerror}") from error


def _temporary_run_dir() -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="nodeproxy-") as folder:
            _run_dir(Path(folder))
    except OSError as error:
        raise CannotStart("run_dir: there is no folder for temporary files; name one in run_dir or TMPDIR") from error


def _run_dir(folder: Path) -> None:
    size = len(os.fsencode(folder / SOCKET_NAME))
    if size > SOCKET_PATH_BYTES:
        raise CannotStart(
            f"run_dir: a socket in {folder} would have a path of {size} bytes, and {SOCKET_PATH_BYTES} are the most;"
            " take a shorter one"
        )
    probe = folder / f"probe.{os.getpid()}"  # no longer than the name of the socket
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(probe))
        probe.unlink()
    except OSError as error:
        raise CannotStart(f"run_dir: no socket can be made in {folder}: {error.strerror or error}") from error
    for taken in (folder / SOCKET_NAME, ready_file(folder)):
        if taken.is_dir():
            raise CannotStart(f"run_dir: {taken} is a folder, and its place is needed; take another run_dir")
