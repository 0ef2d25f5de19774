"""The folder of YAML as a source: waits for its files to change, then reads the folder again.

Handles editors that write a new file and rename it, kubelet's swap of the link `..data`, and a folder that is
moved away and comes back.
"""

import logging
import threading
from collections.abc import Callable

import anyio
from anyio import to_thread

# documented by watchfiles for direct use; `awatch` would begin to watch only after the folder has been read
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from discovery.log import log_event
from discovery.sources.folder.folder import Folder
from discovery.sources.source import Batch

STEP_S = 0.02  # quiet for this long: the writer has finished
DEBOUNCE_S = 0.05  # the longest wait for a writer that never finishes
TICK_S = 1.0  # polling: for links to elsewhere, network file systems, a replaced folder


def inotify(path: str) -> RustNotify:
    """A watch of the folder `path`, not of folders inside it.

    Raises:
        OSError: there is no such folder, or the limit of watches is reached.
        WatchfilesRustInternalError: inotify is not available.
    """
    return RustNotify(
        [path], debug=False, force_polling=False, poll_delay_ms=0, recursive=False, ignore_permission_denied=False
    )


class Files:
    """Passes on the objects of a folder, now and after each change, until cancelled.

    Without inotify, changes are noticed at the next tick.
    """

    def __init__(self, folder: Folder, path: str, watch: Callable[[str], RustNotify] = inotify) -> None:
        self._folder = folder
        self._path = path
        self._new_watch = watch
        self._unwatched_because = ""

    async def run(self, take: Callable[[Batch], None]) -> None:
        """Runs until cancelled; waits for a missing folder."""
        while True:
            watch = self._watch()
            try:
                await self._follow(watch, take)
            finally:
                if watch is not None:
                    watch.close()

    def _watch(self) -> RustNotify | None:
        """A watch of the folder; None if the folder is missing or cannot be watched, which is logged once."""
        try:
            watch = self._new_watch(self._path)
        except FileNotFoundError:
            return None
        except (OSError, WatchfilesRustInternalError) as error:
            if self._unwatched_because != str(error):
                self._unwatched_because = str(error)
                log_event("not watched", logging.WARNING, folder=self._path, reason=error, looks_every_s=TICK_S)
            return None
        self._unwatched_because = ""
        return watch

    async def _follow(self, watch: RustNotify | None, take: Callable[[Batch], None]) -> None:
        """Passes on changes as long as `watch` watches the folder at the path."""
        seen = self._folder.signature()
        own = seen[:1]
        take(await to_thread.run_sync(self._folder.read))
        while True:
            noticed = await self._change(watch)
            before, seen = seen, self._folder.signature()
            if noticed or seen != before:
                take(await to_thread.run_sync(self._folder.read))
            # a new folder may reuse the inode of the old one, but the deletion was noticed
            if watch is None or seen[:1] != own or self._path in noticed:
                return

    async def _change(self, watch: RustNotify | None) -> set[str]:
        """Waits for changes, at most until the next tick; returns the changed paths."""
        if watch is None:
            await anyio.sleep(TICK_S)
            return set()
        stop = threading.Event()
        try:
            outcome = await to_thread.run_sync(
                watch.watch, _ms(DEBOUNCE_S), _ms(STEP_S), _ms(TICK_S), stop, abandon_on_cancel=True
            )
        except WatchfilesRustInternalError:  # a name that is not UTF-8: this watch says nothing else any more
            return {self._path}
        finally:
            stop.set()
        return set() if isinstance(outcome, str) else {path for _, path in outcome}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
