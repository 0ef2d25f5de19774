"""The demo, as a person would run it."""

import os
import re
import signal
import subprocess
import sys

LIMIT_S = 60


def test_the_demo_shows_every_endpoint_and_ends():
    done = subprocess.run(
        [sys.executable, "-m", "nodeproxy", "demo", "--once", "--requests", "60"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False, env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    for endpoint in ("reviews-v1", "reviews-v2", "ratings-v1"):
        assert endpoint in done.stdout
    assert re.search(r"ratings\.shop\.mesh.*ratings-v1.*30.*200: 30", done.stdout)


def test_the_curl_line_it_shows_works_while_it_runs():
    demo = subprocess.Popen(
        [sys.executable, "-m", "nodeproxy.demo", "20"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with demo:
        lines = []
        while "running until Ctrl-C" not in (line := demo.stdout.readline()):
            assert line, "".join(lines)
            lines.append(line)
        curl = next(line for line in lines if "curl http://reviews" in line)

        answer = subprocess.run(curl.strip(), shell=True, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        demo.send_signal(signal.SIGTERM)
        status = demo.wait(LIMIT_S)

    assert '"service": "reviews"' in answer.stdout
    assert status == 0
