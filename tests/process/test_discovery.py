"""The fork that becomes discovery never goes on as a supervisor."""

import os
import subprocess
import sys

FULL_LOG = """
import os, sys
from nodeproxy.process.discovery import forked

def fails():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
    try:
        print("a line that stays in the buffer", file=sys.stderr)
    except OSError:
        raise SystemExit(3)

reading, _ = os.pipe()
try:
    pid = forked(int, reading, fails)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
except OSError as error:
    print("the fork went on after", error)
"""


def test_discovery_ends_where_its_last_log_lines_cannot_be_written():
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

    ran = subprocess.run(
        [sys.executable, "-c", FULL_LOG], capture_output=True, text=True, env=buffered, timeout=60, check=False
    )

    assert ran.stdout == "3\n", ran.stderr
