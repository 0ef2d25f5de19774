"""Services that speak anything but HTTP, as Kubernetes objects for the folder of a node."""

import json
from typing import NamedTuple

from tests.fakes.ports import free_port


class Served(NamedTuple):
    """A port of a service, and that of its endpoint on loopback."""

    number: int
    target: int
    speaks: str
    """Its appProtocol: a name of IANA's."""
    transport: str = "TCP"


class Place(NamedTuple):
    """A ClusterIP, and the mesh address that it leads to."""

    cluster_ip: str
    address: str


def free_place():
    """One that no other test run on this machine has: a free port's number is in it."""
    number = free_port()
    low = f"{number >> 8}.{number & 255}"
    return Place(f"10.96.{low}", f"127.77.{low}")


def bare_service(name, place, *ports):
    """The service in the namespace shop, and its endpoint."""
    named = [(f"{each.speaks}-{each.transport}".lower(), each) for each in ports]
    metadata = {"name": name, "namespace": "shop"}
    of_service = [
        {"name": key, "port": each.number, "protocol": each.transport, "appProtocol": each.speaks}
        for key, each in named
    ]
    of_slice = [{"name": key, "port": each.target, "protocol": each.transport} for key, each in named]
    documents = (
        {
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"clusterIP": place.cluster_ip, "ports": of_service},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": of_slice,
            "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        },
    )  # fmt: skip
    return "\n---\n".join(map(json.dumps, documents))
