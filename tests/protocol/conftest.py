"""Every test of heads runs on both implementations: the Python one, and its compiled twin."""

import pytest

from nodeproxy.protocol.http1.request_head import scan_request
from nodeproxy.protocol.http1.response_head import scan_response
from tests.fakes.heads import flat

try:
    from nodeproxy.protocol.http1 import twin
except ImportError:
    twin = None


@pytest.fixture(params=["python", "twin"])
def heads(request):
    """What scans heads."""
    if request.param == "python":
        return flat(scan_request, scan_response)
    if twin is None:
        pytest.skip("the compiled twin was not built: no C compiler where nodeproxy was installed")
    return flat(twin.scan_request, twin.scan_response)
