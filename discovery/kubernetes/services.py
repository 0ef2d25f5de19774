"""Services, as the API server or a folder has them."""

import msgspec

from discovery.kubernetes.objects import Metadata, Object

TRAEFIK_PREFIXES = ("mesh.traefik.io/", "maesh.containo.us/")  # of Traefik Mesh's annotations, the current one first


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
