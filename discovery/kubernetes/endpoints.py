"""EndpointSlices, and Endpoints, their predecessor."""

import msgspec

from discovery.kubernetes.objects import Metadata, Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


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
