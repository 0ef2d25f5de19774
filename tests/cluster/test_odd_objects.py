"""On a real API server: what anybody may write into a namespace of his own, and the rest of the mesh beside it."""

import json
import ssl
import urllib.request

import pytest

from tests.cluster.control_plane import ADMIN
from tests.cluster.follower import Follower
from tests.cluster.objects import web
from tests.discovery.kube import endpoint, service, slice_of


@pytest.fixture
def follower(cluster, tmp_path):
    with Follower(cluster.kubeconfig(ADMIN), tmp_path) as follower:
        yield follower


def create(cluster, path, text):
    """Let the API server have an object in bytes that no kubectl would send."""
    headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{cluster.url}{path}", data=text, headers=headers)
    context = ssl.create_default_context(cafile=str(cluster.authority))
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        assert answer.status == 201


def test_addresses_that_begin_with_zeros_or_are_written_as_ipv6_are_read_as_they_are_meant(cluster, shop, follower):
    zeros, mapped = service(f"{shop}/zeros", clusterIP="10.96.200.011"), service(f"{shop}/mapped")
    mapped["spec"]["clusterIP"] = "::ffff:10.96.200.12"
    found = slice_of(f"{shop}/zeros", endpoint("010.000.000.01"), endpoint("::ffff:10.0.0.2"))

    cluster.apply(zeros, mapped, found, *web(shop, "10.0.0.9"))

    follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.9:8080"], "the service beside them")
    follower.until(lambda it: len(it.addresses(f"{shop}/zeros")) == 2, "the endpoints")
    assert follower.addresses(f"{shop}/zeros") == ["10.0.0.1:8080", "10.0.0.2:8080"]
    addresses = [follower.services[f"{shop}/{name}"].virtual_address for name in ("zeros", "mapped")]
    assert addresses == ["127.77.200.11", "127.77.200.12"]


def test_an_object_that_is_nested_thousands_deep_does_not_keep_others_from_being_followed(cluster, shop, tmp_path):
    deep = b'{"f:metadata":' * 9000 + b"{}" + b"}" * 9000
    fields = {"apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "m", "operation": "Update", "fieldsV1": "deep"}
    value = service(f"{shop}/nested")
    del value["spec"]["clusterIP"]
    value["metadata"]["managedFields"] = [fields]
    text = json.dumps(value).encode()

    create(cluster, f"/api/v1/namespaces/{shop}/services", text.replace(b'"deep"', deep))
    cluster.apply(*web(shop, "10.0.0.9"))

    try:
        with Follower(cluster.kubeconfig(ADMIN), tmp_path) as follower:
            follower.until(lambda it: it.addresses(f"{shop}/web") == ["10.0.0.9:8080"], "the service beside it")
            assert f"{shop}/nested" in follower.services
    finally:
        assert cluster.kubectl("delete", "service", "nested", f"--namespace={shop}").returncode == 0
