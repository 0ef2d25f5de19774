"""Every test of heads runs on both implementations: the Python one, and its compiled twin."""

from types import ModuleType

import pytest

from nodeproxy.protocol.http1 import head

try:
    from nodeproxy.protocol.http1 import twin
except ImportError:
    twin = None


@pytest.fixture(params=["python", "twin"])
def heads(request) -> ModuleType:
    """The module that scans heads."""
    if request.param == "python":
        return head
    if twin is None:
        pytest.skip("the compiled twin was not built: no C compiler where nodeproxy was installed")
    return twin
