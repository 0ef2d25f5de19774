"""The Kubernetes objects that discovery reads, reduced to the fields it needs.

Defines fields and their types; `admission` validates the values. Lists may be null, as Go encodes an empty one.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from discovery.problem import Path, printable, shown

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
TRAEFIK_PREFIXES = ("mesh.traefik.io/", "maesh.containo.us/")  # of Traefik Mesh's annotations, the current one first
POLICY_LABEL = "mesh.nodeproxy.dev/policy"  # "true" makes a ConfigMap one of its namespace's policy maps


class Ref(NamedTuple):
    """The kind, namespace and name of an object, unique in a cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {printable(self.namespace)}/{printable(self.name)}"


def subject_of(kind: str, key: str) -> str:
    """The name in messages of the object of this kind with the key `<namespace>/<name>`."""
    return str(Ref(kind, *key.split("/")))


class Metadata(msgspec.Struct, frozen=True):
    """`metadata`. No namespace means `default`, as for kubectl."""

    name: str
    namespace: str | None = None
    labels: dict[str, str] | None = None


class Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The fields of every object."""

    metadata: Metadata

    @property
    def key(self) -> str:
        """`<namespace>/<name>`."""
        return f"{self.metadata.namespace or 'default'}/{self.metadata.name}"


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    """One of `spec.ports` of a Service; the target port is in the slices."""

    port: int
    name: str | None = None
    protocol: str | None = None
    app_protocol: str | None = None


class ClientIP(msgspec.Struct, frozen=True, rename="camel"):
    """`spec.sessionAffinityConfig.clientIP` of a Service."""

    timeout_seconds: int | None = None


class AffinityConfig(msgspec.Struct, frozen=True):
    """`spec.sessionAffinityConfig` of a Service."""

    client_ip: ClientIP | None = msgspec.field(name="clientIP", default=None)


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    """`spec` of a Service. `ip_families` are "IPv4" and "IPv6", the first one first."""

    type: str | None = None
    cluster_ip: str | None = msgspec.field(name="clusterIP", default=None)
    ports: list[ServicePort] | None = None
    publish_not_ready_addresses: bool | None = None
    external_name: str | None = None
    ip_families: list[str] | None = None
    internal_traffic_policy: str | None = None
    traffic_distribution: str | None = None
    session_affinity: str | None = None
    session_affinity_config: AffinityConfig | None = None


class ServiceMetadata(Metadata, frozen=True, rename="camel"):
    """`metadata` of a Service. The API server sets uid and creation time.

    Of the annotations only those of Traefik Mesh are kept, and the uid only with them.
    """

    uid: str | None = None
    creation_timestamp: str | None = None
    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if self.annotations is not None:  # kubectl alone leaves kilobytes there
            kept = {name: value for name, value in self.annotations.items() if name.startswith(TRAEFIK_PREFIXES)}
            msgspec.structs.force_setattr(self, "annotations", kept or None)
        if self.annotations is None:  # only events on annotated Services need it
            msgspec.structs.force_setattr(self, "uid", None)


class Service(Object, frozen=True, kw_only=True):
    """A Service, v1."""

    metadata: ServiceMetadata
    spec: ServiceSpec = ServiceSpec()


class WrittenSpec(ServiceSpec, frozen=True):
    """`spec` of a Service of a folder; in a cluster, controllers apply the selector."""

    selector: dict[str, str] | None = None


class WrittenService(Service, frozen=True, kw_only=True):
    """A Service of a folder."""

    spec: WrittenSpec = WrittenSpec()


class SlicePort(msgspec.Struct, frozen=True):
    """One of `ports` of an EndpointSlice: the name and number of a port of its endpoints."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class Conditions(msgspec.Struct, frozen=True):
    """`conditions` of an endpoint; null is unknown, see `services.endpoints.state_of`."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(msgspec.Struct, frozen=True, gc=False):
    """`targetRef` of an endpoint: the pod that has the address. Without it no label of the pod is known."""

    kind: str = ""
    name: str = ""


class SliceEndpoint(msgspec.Struct, frozen=True, rename="camel"):
    """One of `endpoints` of an EndpointSlice. Its addresses are of the same pod; the first one is used."""

    addresses: list[str]
    conditions: Conditions | None = None
    node_name: str | None = None
    zone: str | None = None
    hostname: str | None = None
    target_ref: TargetRef | None = None

    @property
    def pod(self) -> str:
        """The name of its pod, "" if it is not known."""
        return self.target_ref.name if self.target_ref is not None and self.target_ref.kind == "Pod" else ""


class EndpointSlice(Object, frozen=True, kw_only=True):
    """An EndpointSlice, discovery.k8s.io/v1."""

    address_type: str
    ports: list[SlicePort] | None = None
    endpoints: list[SliceEndpoint] | None = None

    @property
    def service_key(self) -> str:
        """The key of the service whose endpoints these are, "" without the label."""
        name = (self.metadata.labels or {}).get(SERVICE_NAME_LABEL, "")
        return f"{self.metadata.namespace or 'default'}/{name}" if name else ""


class EndpointAddress(msgspec.Struct, frozen=True, rename="camel"):
    """One of `addresses` of a subset."""

    ip: str
    hostname: str | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None


class EndpointSubset(msgspec.Struct, frozen=True, rename="camel"):
    """One of `subsets` of Endpoints: each address with each port."""

    addresses: list[EndpointAddress] | None = None
    not_ready_addresses: list[EndpointAddress] | None = None
    ports: list[SlicePort] | None = None


class AnnotatedMetadata(Metadata, frozen=True):
    """`metadata` with annotations."""

    annotations: dict[str, str] | None = None


class Endpoints(Object, frozen=True, kw_only=True):
    """Endpoints, v1, the predecessor of slices. Read from folders only; a cluster mirrors them to slices."""

    metadata: AnnotatedMetadata
    subsets: list[EndpointSubset] | None = None


class VersionedMetadata(Metadata, frozen=True, rename="camel"):
    """`metadata` with the version; only where needed, because every write changes it."""

    uid: str | None = None
    resource_version: str | None = None


class ConfigMap(Object, frozen=True, kw_only=True):
    """A ConfigMap, v1."""

    metadata: VersionedMetadata
    data: dict[str, str] | None = None

    @property
    def rules_its_namespace(self) -> bool:
        """Whether the label marks this as a policy map."""
        return (self.metadata.labels or {}).get(POLICY_LABEL) == "true"


class Node(Object, frozen=True, kw_only=True):
    """A Node, v1; its labels have its zone."""


class OwnerReference(msgspec.Struct, frozen=True):
    """One of `metadata.ownerReferences`."""

    kind: str
    name: str
    controller: bool = False


class PodMetadata(Metadata, frozen=True, rename="camel"):
    """`metadata` of a Pod."""

    owner_references: list[OwnerReference] | None = None


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    """`spec` of a Pod."""

    host_network: bool = False


class Address(msgspec.Struct, frozen=True):
    """One of `status.podIPs`."""

    ip: str


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`status` of a Pod."""

    phase: str = ""
    pod_ips: list[Address] | None = msgspec.field(name="podIPs", default=None)
    start_time: str = ""


class Pod(Object, frozen=True, kw_only=True):
    """A Pod, v1: its labels make it an endpoint of a subset, its address a caller."""

    metadata: PodMetadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


KnownObject = Service | EndpointSlice | Endpoints | ConfigMap | Node | Pod

KINDS: Mapping[str, tuple[str, type[KnownObject]]] = {
    "Service": ("v1", WrittenService),
    "EndpointSlice": ("discovery.k8s.io/v1", EndpointSlice),
    "Endpoints": ("v1", Endpoints),
    "ConfigMap": ("v1", ConfigMap),
    "Node": ("v1", Node),
    "Pod": ("v1", Pod),
}


class Fault(NamedTuple):
    """A field and its fault."""

    path: Path
    message: str


class Refused(ValueError):
    """A refused object, with all its faults."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


def ref_of(kind: str, value: Mapping[str, Any]) -> Ref | None:
    """The kind, namespace and name in `value`; None if its metadata is invalid."""
    metadata = value.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not name or not isinstance(namespace, str | None):
        return None
    return Ref(kind, namespace or "default", name)


def decoded(kind: str, value: Mapping[str, Any]) -> KnownObject:
    """The object in `value`, with fields of the right types.

    Raises:
        Refused: another version of the API, a missing field or a value of a wrong type.
    """
    version, struct = KINDS[kind]
    if value.get("apiVersion") != version:
        raise Refused([Fault(("apiVersion",), f"expected {version}, got {shown(value.get('apiVersion'))}")])
    try:
        return msgspec.convert(value, struct)
    except msgspec.ValidationError as error:
        raise Refused([_fault(str(error), value)]) from error


_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_STEP = re.compile(r"(\w+)|\[(\d+)\]|\[(\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_EXPECTED = re.compile(r"Expected `(.+?)`")


def _fault(message: str, value: Any) -> Fault:  # noqa: ANN401  the document's root
    """The fault in a message of msgspec, with the value that msgspec leaves out."""
    place = _PLACE.search(message)
    path: Path = ()
    for word, index, any_key in _STEP.findall(place[1] if place else ""):
        # "[...]" is some value of a mapping; all mappings here are of strings
        step = word or (
            next(key for key, item in value.items() if not isinstance(item, str)) if any_key else int(index)
        )
        path = (*path, step)
        value = value[step]
    missing = _MISSING.match(message)
    if missing:
        return Fault((*path, missing[1]), "required, but missing")
    expected = _EXPECTED.match(message)
    return Fault(
        path, f"expected {expected[1].replace(' | null', '') if expected else 'something else'}, got {shown(value)}"
    )
