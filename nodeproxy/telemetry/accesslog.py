"""The access log: one line per request on stdout, if enabled. The hot lane only appends to a bounded list."""

import json
import logging
import os
import select
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import trio

from nodeproxy.telemetry.stats import WorkerStats

FLUSH_EVERY_S = 0.1
HELD_MOST = 20_000  # lines not written yet; a stalled reader of stdout costs lines, never requests
HELD_MOST_BYTES = 16 * 1024 * 1024  # of them: a line with a path of 16 KiB is forty times as long as most

log = logging.getLogger(__name__)


class AccessLines:
    """Formats lines and holds them until `flush`, which may block and belongs in a thread."""

    def __init__(self, style: str, stats: WorkerStats, wall_clock: Callable[[], float], descriptor: int = 1) -> None:
        self._json = style == "json"
        self._stats = stats
        self._wall_clock = wall_clock
        self._descriptor = descriptor
        self._held: list[str] = []
        self._held_bytes = 0
        self._failing = False
        self._writing = threading.Lock()
        self.filled = trio.Event()
        """Set when a line is held."""

    def add(self, fields: dict[str, str | int | float], style: str = "") -> None:
        """Buffer one line with these fields; escaping keeps a client's values from ending the line.

        `style` is `json` or `text`; by default that of all lines.
        """
        if len(self._held) >= HELD_MOST or self._held_bytes >= HELD_MOST_BYTES:
            self._stats.log_lines_lost += 1
            return
        time = datetime.fromtimestamp(self._wall_clock(), UTC).isoformat(timespec="milliseconds")
        if not self._held:
            self.filled.set()
        if style == "json" or (self._json and not style):
            line = json.dumps({"time": time, **fields})
        else:
            line = time + "".join(f" {key}={json.dumps(value)}" for key, value in fields.items())
        self._held.append(line.replace("\x7f", "\\u007f"))  # the one control character that JSON lets stand
        self._held_bytes += len(line)

    @property
    def writing(self) -> bool:
        """Whether lines are being written now."""
        return self._writing.locked()

    def flush(self) -> None:
        """Write the buffered lines."""
        self._stats.log_lines_lost += self.write(self.take())

    async def flush_in_thread(self) -> None:
        """Write the buffered lines in a thread. When cancelled, it does not wait for a stdout that blocks."""
        await trio.lowlevel.checkpoint_if_cancelled()  # not after they are taken: they would be lost
        lines = self.take()
        self._stats.log_lines_lost += await trio.to_thread.run_sync(self.write, lines, abandon_on_cancel=True)

    def take(self) -> list[str]:
        """The buffered lines, which are no longer held. Not to be called in another thread than `add`."""
        self.filled = trio.Event()
        held, self._held, self._held_bytes = self._held, [], 0
        return held

    def write(self, lines: list[str]) -> int:
        """Write these lines; blocks while stdout does. Returns how many are lost because stdout fails.

        A full disk or a reader that has gone costs lines; one line of the process log says so, until stdout works.
        """
        with self._writing:
            # what follows a line that was cut off is a line of its own
            text = "\n" * self._failing + "".join(line + "\n" for line in lines)
            try:
                self._write(memoryview(text.encode()))
            except OSError as error:
                if not self._failing:
                    words = "the access log cannot be written; requests are not affected. Check what reads stdout"
                    log.error(words, extra={"reason": error.strerror})
                self._failing = True
                return len(lines)
            self._failing = False
            return 0

    def _write(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process that has the same stdout made it non-blocking
                select.select((), (self._descriptor,), ())


async def flush_for_ever(lines: AccessLines) -> None:
    """Write the buffered lines every FLUSH_EVERY_S while there are any, in a thread: stdout may block."""
    while True:
        await lines.filled.wait()
        await trio.sleep(FLUSH_EVERY_S)
        await lines.flush_in_thread()
