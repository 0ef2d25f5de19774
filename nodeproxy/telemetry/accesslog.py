"""The access log: one line per request on stdout, if enabled. The hot lane only appends to a bounded list."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime

import trio

from nodeproxy.telemetry.stats import WorkerStats

FLUSH_EVERY_S = 0.1
HELD_MOST = 20_000  # lines not written yet; a stalled reader of stdout costs lines, never requests


class AccessLines:
    """Formats lines and holds them until `flush`, which may block and belongs in a thread."""

    def __init__(self, style: str, stats: WorkerStats, wall_clock: Callable[[], float], descriptor: int = 1) -> None:
        self._json = style == "json"
        self._stats = stats
        self._wall_clock = wall_clock
        self._descriptor = descriptor
        self._held: list[str] = []
        self.filled = trio.Event()
        """Set when a line is held."""

    def add(self, fields: dict[str, str | int | float], style: str = "") -> None:
        """Buffer one line with these fields; escaping keeps a client's values from ending the line.

        `style` is `json` or `text`; by default that of all lines.
        """
        if len(self._held) >= HELD_MOST:
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

    def flush(self) -> None:
        """Write the buffered lines."""
        self.write(self.take())

    def take(self) -> list[str]:
        """The buffered lines, which are no longer held. Not to be called in another thread than `add`."""
        self.filled = trio.Event()
        held, self._held = self._held, []
        return held

    def write(self, lines: list[str]) -> None:
        """Write these lines; blocks while stdout does."""
        data = memoryview("".join(line + "\n" for line in lines).encode())
        while data:
            data = data[os.write(self._descriptor, data) :]


async def flush_for_ever(lines: AccessLines) -> None:
    """Write the buffered lines every FLUSH_EVERY_S while there are any, in a thread: stdout may block."""
    while True:
        await lines.filled.wait()
        await trio.sleep(FLUSH_EVERY_S)
        await trio.to_thread.run_sync(lines.write, lines.take())
