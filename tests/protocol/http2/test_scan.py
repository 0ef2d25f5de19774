"""Which implementation connections get, with and without the compiled twin."""

import subprocess
import sys

import pytest

from nodeproxy.protocol.http2 import scan

NAMES = ("Table", "read_plain", "request_headers", "response_headers", "trailers_headers")
WITHOUT_TWIN = """
import sys
sys.modules["nodeproxy.protocol.http2.twin"] = None  # as if it had not been built
from nodeproxy.protocol.http2 import plain, scan, sending
assert not scan.COMPILED
assert scan.Table is plain.Table and scan.read_plain is plain.read_plain
assert scan.request_headers is sending.request_headers and scan.response_headers is sending.response_headers
assert scan.trailers_headers is sending.trailers_headers
"""


def test_the_twin_is_used_where_it_was_built():
    twin = pytest.importorskip("nodeproxy.protocol.http2.twin", reason="the compiled twin was not built")

    assert scan.COMPILED
    assert all(getattr(scan, name) is getattr(twin, name) for name in NAMES)


def test_python_is_used_where_it_was_not():
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TWIN], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
