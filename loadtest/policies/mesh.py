"""One mesh with a service for each policy set, all of them with the same endpoint: the same process serves them all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from loadtest.policies.hosts import NAMESPACE, service_of
from loadtest.policies.sets import PolicySet

OPEN = "@backend_port@"


def documents(sets: Iterable[PolicySet]) -> str:
    """The mesh of these sets, as a template in which the backend's port is open."""
    sets = tuple(sets)
    ports = {service_of(each.name): (OPEN,) for each in sets}
    return mesh_documents(ports, {service_of(each.name): each.policies for each in sets}).replace(f"'{OPEN}'", OPEN)


def mesh_documents(ports: Mapping[str, Sequence[int | str]], tables: Mapping[str, Mapping[str, Any]]) -> str:
    """YAML of services by name, with endpoints at these ports of 127.0.0.1, and a ConfigMap of their tables."""
    objects = [each for index, (name, own) in enumerate(ports.items()) for each in _service(name, index, own)]
    texts = {name: yaml.safe_dump(_plain(table), default_flow_style=None) for name, table in tables.items() if table}
    metadata = {"name": "tables", "namespace": NAMESPACE, "labels": {"mesh.nodeproxy.dev/policy": "true"}}
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": texts})
    return yaml.safe_dump_all(objects)


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) if isinstance(value, Mapping) else value for name, value in table.items()}


def _service(name: str, index: int, ports: Sequence[int | str]) -> Iterator[dict[str, Any]]:
    metadata = {"name": name, "namespace": NAMESPACE}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"clusterIP": f"10.96.1.{index + 1}", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }
    for number, port in enumerate(ports):  # a slice for each, because a slice has one port
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "name": f"{name}-{number}", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        }
