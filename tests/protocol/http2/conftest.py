"""Every test of what is read or sent runs on both implementations: the Python one, and its compiled twin."""

from types import SimpleNamespace

import pytest

from nodeproxy.protocol.http2 import plain, sending

try:
    from nodeproxy.protocol.http2 import twin
except ImportError:
    twin = None


@pytest.fixture(params=["python", "twin"], scope="session")
def codec(request):
    """What `scan` chooses from."""
    if request.param == "python":
        return SimpleNamespace(
            Table=plain.Table,
            read_plain=plain.read_plain,
            request_headers=sending.request_headers,
            response_headers=sending.response_headers,
            trailers_headers=sending.trailers_headers,
        )
    if twin is None:
        pytest.skip("the compiled twin was not built: no C compiler where nodeproxy was installed")
    return twin
