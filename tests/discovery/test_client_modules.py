"""In processes of their own: what one has imported stays."""

import json
import subprocess
import sys

import pytest

OURS = "import discovery.sources.cluster.api"
SAME = """
from kubernetes_asyncio.client import Configuration
from discovery.sources.cluster import client_modules as ours
assert ours.Configuration is Configuration
"""
KUBECONFIG = """
import asyncio, sys
from discovery.sources.cluster.client_modules import Configuration, load_kube_config
configuration = Configuration()
asyncio.run(load_kube_config(sys.argv[1], configuration))
assert configuration.host == "https://[::1]:6443", configuration.host
"""
NOT_THERE = """
try:
    from kubernetes_asyncio.client import Nothing
except ImportError as error:
    assert "Nothing" in str(error)
else:
    raise SystemExit("imported")
"""
LOADED = "import json, sys; print(json.dumps(list(sys.modules)))"


def modules_after(*programs, words=()):
    command = [sys.executable, "-c", "\n".join((*programs, LOADED)), *words]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


GENERATED = ("kubernetes_asyncio.client.api.", "kubernetes_asyncio.client.models.")


def test_a_pod_loads_no_generated_class_of_the_api_and_no_other_client():
    loaded = modules_after(OURS)

    assert "kubernetes_asyncio.config.incluster_config" in loaded
    assert [name for name in loaded if name.startswith((*GENERATED, "aiohttp", "urllib3.", "dateutil"))] == []


def test_a_kubeconfig_is_read_without_a_generated_class_of_the_api(tmp_path):
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps({
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {"token": "secret"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://[::1]:6443"}}],
    }))  # fmt: skip

    loaded = modules_after(OURS, KUBECONFIG, words=[str(file)])

    assert [name for name in loaded if name.startswith(GENERATED)] == []


@pytest.mark.parametrize(
    "asked",
    [
        "from kubernetes_asyncio.client import CoreV1Api",
        "import kubernetes_asyncio; kubernetes_asyncio.client.models.V1Pod",
        "from kubernetes_asyncio.stream import WsApiClient",
        "from kubernetes_asyncio.config import load_kube_config",
        "import urllib3; urllib3.PoolManager",
    ],
)
def test_who_asks_for_more_gets_it_before_and_afterwards(asked):
    modules_after(OURS, asked, SAME)
    modules_after(asked, OURS, SAME)


def test_a_name_that_there_is_not_is_an_import_error():
    modules_after(OURS, NOT_THERE)
