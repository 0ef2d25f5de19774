"""The demo, as a person would run it."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodeproxy.demo import lines

LIMIT_S = 60


def test_the_demo_shows_every_endpoint_and_ends():
    done = subprocess.run(
        [sys.executable, "-m", "nodeproxy", "demo", "--once", "--requests", "60"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False, env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    for endpoint in ("reviews-v1", "reviews-v2", "ratings-v1"):
        assert endpoint in done.stdout
    assert re.search(r"reviews-v2.*\d\.\d\d +│? *$", done.stdout, re.MULTILINE), "retries are told once per service"
    assert re.search(r"ratings\.shop\.mesh.*ratings-v1.*30.*200: 30", done.stdout)
    assert "its server speaks first: '220 lines-v1 ready', then 'HELLO'" in done.stdout


def test_a_service_that_is_not_reached_is_told_with_the_reason():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()

    assert re.search(r"^not reached \(.*refused\); does another mesh", lines.talk(address))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_curl_line_it_shows_works_and_nothing_is_left_when_it_is_told_to_end(number):
    with started(["20"]) as (demo, shown):
        curl = next(line.strip() for line in shown if "curl http://reviews" in line)
        folder = Path(re.search(r"take effect at once: (\S+)/yaml/shop.yaml", "".join(shown))[1])
        started_by_it = descendants(demo.pid)

        status = curled(curl)
        demo.send_signal(number)
        exit_status = demo.wait(LIMIT_S)

    assert status == "200" and exit_status == 0
    assert len(started_by_it) >= 3  # supervisor, discovery, worker
    assert [pid for pid in started_by_it if Path(f"/proc/{pid}").exists()] == []
    assert not folder.exists()


def test_a_proxy_in_the_environment_is_not_asked_for_loopback():
    done = demo_once(http_proxy="http://127.0.0.1:1")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mesh_that_does_not_start_is_told_with_the_end_of_its_log():
    done = demo_once(NODEPROXY_DRAIN_TIMEOUT_S="0")

    assert done.returncode == 1
    assert "did not become ready" in done.stdout and "setting drain_timeout_s" in done.stdout


def demo_once(**environment):
    """The demo with few requests, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "nodeproxy.demo", "8", "--once"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@contextmanager
def started(arguments):
    """A demo that waits for its end, and the lines it has shown."""
    command = [sys.executable, "-m", "nodeproxy.demo", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        try:
            shown = []
            while "running until Ctrl-C" not in (line := demo.stdout.readline()):
                assert line, "".join(shown)
                shown.append(line)
            yield demo, shown
        finally:
            if demo.poll() is None:
                demo.terminate()


def curled(line):
    """The status that the curl command of `line` ends with, as a shell runs it."""
    command = f"{line} --silent --output /dev/null --write-out '%{{http_code}}'"
    return subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=LIMIT_S, check=False
    ).stdout  # fmt: skip


def descendants(pid):
    """The processes that `pid` has started, and theirs."""
    children = [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]
    return children + [other for child in children for other in descendants(child)]
