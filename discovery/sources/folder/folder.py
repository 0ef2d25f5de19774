"""A folder of YAML and JSON as a set of objects: reads it on request and returns the changes.

Decides which file wins if two have the same object; `file_text` decides which objects of one file are in force. Does
not wait or watch: `files` does.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from discovery.kubernetes.callers import callers_of
from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.documents import SIZE_LIMIT_BYTES
from discovery.kubernetes.objects import Ref
from discovery.problem import Origin, Problem, printable
from discovery.sources.folder.file_text import FileText, Found, read_text
from discovery.sources.folder.mirror import mirrored
from discovery.sources.source import Batch, Change
from nodeproxy.mesh.wire import Callers

SUFFIXES = (".yaml", ".yml", ".json")


class Signature(NamedTuple):
    """The metadata of one file; equal signatures mean that it is most likely unchanged."""

    name: str
    inode: int
    changed_ns: int
    size: int


class Folder:
    """The objects of a folder, including the last good ones of unreadable files."""

    def __init__(self, path: Path, policy_map: Ref) -> None:
        self._path = path
        self._policy_map = policy_map
        self._files: dict[str, FileText] = {}
        self._digests: dict[str, bytes] = {}
        self._in_force: dict[Ref, Found] = {}
        self._callers = Callers(())

    def signature(self) -> tuple[Signature, ...]:
        """The signatures of the folder, first, and of its files; empty if the folder is missing."""
        try:
            return tuple(self._signatures())
        except OSError:
            return ()

    def read(self) -> Batch:
        """Reads all files; returns the changes since the last time, and all current problems."""
        try:
            names = self._names()
        except OSError as error:
            return self._unread(f"cannot be read: {error.strerror}; is the path right, is the volume mounted?")
        if not names:
            return self._unread(f"holds no file that ends in {', '.join(SUFFIXES)}")
        for name in self._files.keys() - set(names):
            del self._files[name]
            self._digests.pop(name, None)
        for name in names:
            self._read_file(name)
        changes, double = self._settle()
        problems = [problem for _, text in sorted(self._files.items()) for problem in text.problems]
        in_sync = any(text.whole for text in self._files.values())
        return Batch(tuple(changes), (*problems, *double), in_sync, self._changed_callers())

    def _changed_callers(self) -> tuple[Callers, ...]:
        """The pods of the folder as callers, if they are not those of the last time."""
        before, self._callers = self._callers, Callers(callers_of(found.object for found in self._in_force.values()))
        return () if self._callers == before else (self._callers,)

    def _unread(self, message: str) -> Batch:
        stays = "; the last good objects stay in force" if self._in_force else ""
        return Batch((), (Problem(message + stays, Origin(printable(str(self._path)))),), in_sync=False)

    def _names(self) -> list[str]:
        # hidden files belong to editors and kubelet: .shop.yaml.swp, .#shop.yaml, ..data
        return sorted(name for name in os.listdir(self._path) if name.endswith(SUFFIXES) and not name.startswith("."))

    def _signatures(self) -> Iterator[Signature]:
        yield Signature("", os.stat(self._path).st_ino, 0, 0)
        for name in self._names():
            with suppress(OSError):  # a dangling link
                found = os.stat(self._path / name)
                yield Signature(name, found.st_ino, max(found.st_mtime_ns, found.st_ctime_ns), found.st_size)

    def _read_file(self, name: str) -> None:
        before = self._files.get(name, FileText())
        try:
            text = _bytes_of(self._path / name)
        except OSError as error:
            self._digests.pop(name, None)
            message = f"cannot be read: {error.strerror or error}; its last good objects stay in force"
            self._files[name] = before.unreadable(Problem(message, Origin(printable(name))))
            return
        digest = blake2b(text).digest()
        if self._digests.get(name) != digest:
            self._digests[name] = digest
            self._files[name] = read_text(name, text, before, self._policy_map)

    def _settle(self) -> tuple[list[Change], list[Problem]]:
        """Selects for each object the file that sorts first; returns the changes and the problems."""
        winners: dict[Ref, Found] = {}
        double = []
        for _, text in sorted(self._files.items()):
            for ref, found in text.objects.items():
                first = winners.setdefault(ref, found)
                if first is not found:
                    where = f"{first.origin.file}, document {first.origin.document}"
                    message = f"is also in {where}, which sorts first and is in force; remove one"
                    double.append(Problem(message, found.origin, str(ref)))
        objects, unused = mirrored(winners)
        before, self._in_force = self._in_force, objects
        changes: list[Change] = [DeleteObject(ref) for ref in before if ref not in objects]
        changes += [PutObject(ref, *found) for ref, found in objects.items() if before.get(ref) != found]
        return changes, [*double, *unused]


def _bytes_of(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: it cannot be read, is not a regular file, or exceeds SIZE_LIMIT_BYTES.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is no regular file")
        text = file.read(SIZE_LIMIT_BYTES + 1)
    if len(text) > SIZE_LIMIT_BYTES:
        raise OSError(f"it is larger than {SIZE_LIMIT_BYTES} bytes; split it")
    return text


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file without blocking: a pipe called x.yaml would block until it has a writer."""
    return os.open(path, flags | os.O_NONBLOCK)
