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
        return SimpleNamespace(**{
            name: getattr(module, name) for module in (plain, sending) for name in dir(module) if name[0] != "_"
        })  # fmt: skip
    if twin is None:
        pytest.skip("the compiled twin was not built: no C compiler where nodeproxy was installed")
    return twin
