"""One mesh with a service for each policy set, all of them with the same endpoint: the same process serves them all."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from loadtest.policies.sets import PolicySet

NAMESPACE = "bench"


def service_of(name: str) -> str:
    """The name of a set's service: `rateLimit` is `rate-limit`, because a Service has a DNS label."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def host_of(name: str) -> str:
    """The Host of requests to a set's service."""
    return f"{service_of(name)}.{NAMESPACE}.mesh"


def documents(sets: Iterable[PolicySet]) -> str:
    """The services, their slices and one ConfigMap, as a template in which the backend's port is open."""
    sets = tuple(sets)
    objects = [each for index, policy_set in enumerate(sets) for each in _service(service_of(policy_set.name), index)]
    tables = {service_of(each.name): yaml.safe_dump(dict(each.policies)) for each in sets}
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "sets", "namespace": NAMESPACE, "labels": {"mesh.nodeproxy.dev/policy": "true"}},
            "data": {name: text for name, text in tables.items() if text.strip() != "{}"},
        }
    )
    return yaml.safe_dump_all(objects).replace("'@backend_port@'", "@backend_port@")


def _service(name: str, index: int) -> Iterator[dict[str, Any]]:
    metadata = {"name": name, "namespace": NAMESPACE}
    ports = [{"name": "http", "port": 80, "targetPort": "@backend_port@", "protocol": "TCP"}]
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"clusterIP": f"10.96.1.{index + 1}", "ports": ports},
    }
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": "@backend_port@", "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }
