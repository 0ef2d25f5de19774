"""Which implementation the data path gets, with and without the compiled twin."""

import subprocess
import sys

import pytest

from nodeproxy.protocol.http1 import scan

WITHOUT_TWIN = """
import sys
sys.modules["nodeproxy.protocol.http1.twin"] = None  # as if it had not been built
from nodeproxy.protocol.http1 import request_head, response_head, scan
assert not scan.COMPILED
assert scan.scan_request is request_head.scan_request and scan.scan_response is response_head.scan_response
"""


def test_the_twin_is_used_where_it_was_built():
    twin = pytest.importorskip("nodeproxy.protocol.http1.twin", reason="the compiled twin was not built")

    assert scan.COMPILED
    assert scan.scan_request is twin.scan_request and scan.scan_response is twin.scan_response


def test_python_is_used_where_it_was_not():
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TWIN], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
