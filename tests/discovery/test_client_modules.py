"""In processes of their own: what one has imported stays."""

import json
import subprocess
import sys

import pytest

OURS = "import discovery.sources.cluster.api"
SAME = """
from kubernetes_asyncio.client import ApiClient, Configuration
from discovery.sources.cluster import client_modules as ours
assert ours.ApiClient is ApiClient and ours.Configuration is Configuration
"""
NOT_THERE = """
try:
    from kubernetes_asyncio.client import Nothing
except ImportError as error:
    assert "Nothing" in str(error)
else:
    raise SystemExit("imported")
"""
LOADED = "import json, sys; print(json.dumps([name for name in sys.modules if name.startswith('kubernetes_')]))"


def modules_after(*programs):
    command = [sys.executable, "-c", "\n".join((*programs, LOADED))]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_a_node_loads_no_generated_class_of_the_api():
    loaded = modules_after(OURS)

    assert "kubernetes_asyncio.config.kube_config" in loaded
    assert [
        name
        for name in loaded
        if name.startswith(("kubernetes_asyncio.client.api.", "kubernetes_asyncio.client.models."))
    ] == []


@pytest.mark.parametrize(
    "asked",
    [
        "from kubernetes_asyncio.client import CoreV1Api",
        "import kubernetes_asyncio; kubernetes_asyncio.client.models.V1Pod",
        "from kubernetes_asyncio.stream import WsApiClient",
    ],
)
def test_who_asks_for_more_gets_it_before_and_afterwards(asked):
    modules_after(OURS, asked, SAME)
    modules_after(asked, OURS, SAME)


def test_a_name_that_there_is_not_is_an_import_error():
    modules_after(OURS, NOT_THERE)
