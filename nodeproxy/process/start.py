"""Starts a node: reads its settings, checks what they name, and runs its processes."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nodeproxy.process import supervisor
from nodeproxy.process.preflight import CannotStart, look_around, policies_of
from nodeproxy.process.sockets import CannotListen
from nodeproxy.settings_file import UnusableSettings, read
from nodeproxy.telemetry import logs


def start(config: Path | None = None, flags: Mapping[str, object] | None = None) -> int:
    """Run this node until SIGTERM, with the settings of flags, environment and file; returns the exit status.

    It is 2, and stderr has the reason, if the settings cannot be used.
    """
    try:
        settings = read(config, flags or {})
        logs.set_up(settings.log_format)
        look_around(settings, os.environ)
        return supervisor.run(settings, policies_of(settings))
    except (UnusableSettings, CannotListen, CannotStart) as error:
        print(error, file=sys.stderr)
        return 2
