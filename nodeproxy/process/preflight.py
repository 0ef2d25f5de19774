"""Checks that the files and folders named by the settings are usable, once before any process is started.

Otherwise a child would fail on them and be restarted forever. Listening sockets are not checked here: opening them is
the check.
"""

import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nodeproxy.policies.block import Policy
from nodeproxy.policies.own import OwnPolicyUnusable, own_policies
from nodeproxy.settings import Settings, ready_file

SOCKET_PATH_BYTES = 107  # unix(7): sun_path has 108, the last is zero
SOCKET_NAME = "discovery.sock"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where Kubernetes mounts it in a pod


class CannotStart(Exception):
    """A setting names something that is missing or not usable; the text says which and what to do."""


def look_around(settings: Settings, environment: Mapping[str, str], account: Path = ACCOUNT) -> None:
    """Check everything that the settings name in the file system.

    Raises:
        CannotStart: a file or folder is not usable.
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


def policies_of(settings: Settings) -> tuple[Policy, ...]:
    """The custom policies that the settings name.

    A node that runs has them in memory: what becomes of a package later does not concern it. A new one must not start
    without a policy that may guard a service.

    Raises:
        CannotStart: one of them cannot be used.
    """
    try:
        return own_policies(settings.own_policies)
    except OwnPolicyUnusable as error:
        raise CannotStart(str(error)) from error


def _folder_of_yaml(folder: Path) -> None:
    try:
        os.listdir(folder)
    except OSError as error:
        raise CannotStart(f"discovery: cannot read the folder {folder}: {error.strerror}") from error


def _kubeconfig(path: Path) -> None:
    import yaml  # here, because a pod needs no kubeconfig and should not pay for the import

    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CannotStart(f"discovery: cannot read the kubeconfig {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotStart(f"discovery: {path} is not a kubeconfig: not YAML") from error
    if not isinstance(found, dict) or not found.get("clusters") or not found.get("contexts"):
        raise CannotStart(f"discovery: {path} is not a kubeconfig: it has no clusters or no contexts")
    if not found.get("current-context"):
        raise CannotStart(f"discovery: {path} has no current-context; kubectl config use-context sets it")


def _account(environment: Mapping[str, str], account: Path) -> None:
    if not environment.get("KUBERNETES_SERVICE_HOST") or not environment.get("KUBERNETES_SERVICE_PORT"):
        raise CannotStart(
            "discovery: kube: requires a pod, and KUBERNETES_SERVICE_HOST is not set; name a kubeconfig: kube:FILE"
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
        raise CannotStart(f"state_file: cannot write in {path.parent}: {error.strerror}") from error


def _temporary_run_dir() -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="nodeproxy-") as folder:
            _run_dir(Path(folder))
    except OSError as error:
        raise CannotStart("run_dir: no directory for temporary files is usable; set run_dir or TMPDIR") from error


def _run_dir(folder: Path) -> None:
    size = len(os.fsencode(folder / SOCKET_NAME))
    if size > SOCKET_PATH_BYTES:
        raise CannotStart(
            f"run_dir: a socket in {folder} has a path of {size} bytes, more than {SOCKET_PATH_BYTES};"
            " use a shorter path"
        )
    probe = folder / f"probe.{os.getpid()}"  # not longer than SOCKET_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(probe))
        probe.unlink()
    except OSError as error:
        raise CannotStart(f"run_dir: cannot create a socket in {folder}: {error.strerror or error}") from error
    for taken in (folder / SOCKET_NAME, ready_file(folder)):
        if taken.is_dir():
            raise CannotStart(f"run_dir: {taken} is a folder, but nodeproxy needs this path; use another run_dir")
