"""Builders of valid objects, as values and as documents; a test states only what matters to it."""

import json

from discovery.kubernetes.admission import accepted
from discovery.kubernetes.changes import DeleteObject, PutObject
from discovery.kubernetes.objects import Ref
from discovery.problem import NOWHERE
from discovery.services.store import Stored


def service(key="shop/reviews", *, ports=None, **spec):
    namespace, name = key.split("/")
    ports = [{"name": "http", "port": 80}] if ports is None else ports
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "10.96.0.10", "ports": ports, **spec},
    }


def endpoint(address="10.0.0.1", *, ready=None, serving=None, terminating=None, **fields):
    conditions = {"ready": ready, "serving": serving, "terminating": terminating}
    return {"addresses": [address], "conditions": conditions, **fields}


def of_pod(name, address):
    """An endpoint whose pod has this name."""
    return endpoint(address, targetRef={"kind": "Pod", "name": name, "namespace": "shop", "uid": "1"})


def labelled_pod(key="shop/reviews-1", **labels):
    namespace, name = key.split("/")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels}}


def slice_of(key="shop/reviews", *endpoints, name=None, ports=None, family="IPv4", label=None):
    namespace, service_name = key.split("/")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name or f"{service_name}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service_name if label is None else label},
        },
        "addressType": family,
        "ports": [{"name": "http", "port": 8080}] if ports is None else ports,
        "endpoints": list(endpoints or (endpoint(),)),
    }


def endpoints_of(key="shop/reviews", *addresses, not_ready=(), ports=None, **metadata):
    """A v1 Endpoints of one subset."""
    namespace, name = key.split("/")
    subset = {
        "addresses": [{"ip": address} for address in addresses],
        "notReadyAddresses": [{"ip": address} for address in not_ready],
        "ports": [{"name": "http", "port": 8080}] if ports is None else ports,
    }
    metadata = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def policy_map(**tables):
    """A ConfigMap of policy tables; `__` in a key stands for the dot."""
    data = {key.replace("__", "."): text for key, text in tables.items()}
    metadata = {"name": "nodeproxy-policy", "namespace": "nodeproxy"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def own_policy_map(key="shop/policies", label="true", **tables):
    """A policy map of its own namespace."""
    namespace, name = key.split("/")
    labels = {} if label is None else {"mesh.nodeproxy.dev/policy": label}
    data = {key.replace("__", "."): text for key, text in tables.items()}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def file_of(*objects):
    """The bytes of a file that holds these objects, a document each."""
    return "\n---\n".join(json.dumps(each) for each in objects).encode()


def ref(value):
    return Ref(value["kind"], value["metadata"]["namespace"], value["metadata"]["name"])


def stored(value, origin=NOWHERE):
    return Stored(accepted(value["kind"], value), origin)


def put(value, origin=NOWHERE):
    return PutObject(ref(value), accepted(value["kind"], value), origin)


def delete(value):
    return DeleteObject(ref(value))
