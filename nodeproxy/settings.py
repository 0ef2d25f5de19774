"""The settings of the process. Precedence: flags, then the environment (`NODEPROXY_…`), then the file."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from nodeproxy import setting_names, setting_text
from nodeproxy.setting_text import split_address
from nodeproxy.setting_types import (
    Address,
    Addresses,
    Hosts,
    KnownAddress,
    LoopbackAddress,
    MaybeKnownAddress,
    MaybePath,
    PolicyNames,
    Positive,
    Server,
    Sources,
    Zones,
)


class Settings(BaseSettings):
    """The settings of `nodeproxy run`. Policies are configured in the policy table, not here."""

    model_config = SettingsConfigDict(env_prefix="NODEPROXY_", extra="forbid", frozen=True)

    discovery: Annotated[str, AfterValidator(setting_text.origin)] = Field(
        "files:.",
        description="source of services: files:DIR, kube: (the cluster of this pod) or kube:KUBECONFIG",
    )
    state_file: MaybePath = Field(
        "",
        description="file for the last good state, served after a start while the source is unreachable; empty: none",
    )
    listen: KnownAddress = Field("127.0.0.1:8077", description="listener address for HTTP by mesh name")
    listen_tls: MaybeKnownAddress = Field(
        "",
        description="listener address for TLS by mesh name: passed through as it is to the service that the client"
        " names (SNI), which the address of listen does as well; empty: none",
    )
    admin: Address = Field("127.0.0.1:9077", description="listener address of a worker's /livez and /readyz")
    metrics: KnownAddress = Field("127.0.0.1:9076", description="listener address of /metrics for all workers")
    page: LoopbackAddress = Field(
        "127.0.0.1:9070",
        description="listener address of the page for browsers (docs/page.md), at loopback; empty: none",
    )
    page_hosts: Hosts = Field(
        (),
        description="further hosts that the page is served as, such as mesh.example.com of a reverse proxy on this node"
        " that logs users in; others are refused",
    )
    page_cluster: bool = Field(
        False,
        description="show the other nodes in the page too, asked through the API server (kube:); needs"
        " manifests/components/page-cluster",
    )
    dns: MaybeKnownAddress = Field(
        "", description="listener address of DNS for the zone mesh, UDP and TCP; empty: none"
    )
    resolver: Server = Field("", description="DNS server for ExternalName services; empty: those of /etc/resolv.conf")
    workers: int = Field(1, ge=1, le=64, description="worker processes; worker n serves admin at the port of admin + n")
    limit_password_file: MaybePath = Field(
        "",
        description="file with the password for the servers of rateLimit.global, as a Secret is mounted; empty: none",
    )
    metrics_buckets: Literal["coarse", "fine"] = Field(
        "coarse", description="buckets of request durations in /metrics, per service: 5 or 15"
    )
    run_dir: MaybePath = Field("", description="directory of the process' Unix sockets; empty: a private temporary one")
    mesh_range: Addresses = Field("127.77.0.0/16", description="virtual addresses of services with a ClusterIP")
    headless_range: Addresses = Field("127.78.0.0/16", description="virtual addresses of services without a ClusterIP")
    virtual_addresses: bool = Field(
        True,
        description="listen at the virtual address and ports of each service; off: services have none, which leaves"
        " HTTP by name at listen",
    )
    default_namespace: Annotated[str, AfterValidator(setting_names.namespace)] = Field(
        "default", description="namespace of <service>.mesh for clients that are not pods of this node; empty: none"
    )
    cluster_domain: Annotated[str, AfterValidator(setting_names.cluster_domain)] = Field(
        "cluster.local",
        description="DNS domain of the cluster: Host <service>.<namespace>.svc.<domain> addresses the service",
    )
    also_zones: Zones = Field(
        (),
        description="further DNS zones in which <service>.<namespace> is a mesh name, such as traefik.mesh,maesh for"
        " clients that still use the names of Traefik Mesh",
    )
    traefik_annotations: bool = Field(
        True, description="read the annotations of Traefik Mesh on Services (mesh.traefik.io, maesh.containo.us)"
    )
    node_name: Annotated[str, AfterValidator(setting_names.node_name)] = Field(
        "", description="name of this node; selects the pods known as callers and the endpoints that are near"
    )
    zone: Annotated[str, AfterValidator(setting_names.zone)] = Field(
        "", description="zone of this node; empty: the label topology.kubernetes.io/zone of its Node object"
    )
    on_demand: bool = Field(True, description="watch endpoints only of services that pods of this node call (kube:)")
    access_log: Literal["off", "json", "text"] = Field(
        "off", description="format of the access log, one line per request on stdout"
    )
    audit_log: Literal["off", "json"] = Field(
        "off",
        description="a line on stdout for each request, connection and session that a policy refuses, with event"
        " denied; at most 200 a second per worker",
    )
    log_format: Literal["json", "text"] = Field("text", description="format of the log of the proxy itself, on stderr")
    own_policies: PolicyNames = Field(
        (),
        description="custom policies, in their order, e.g. tenantHeader,audit: each is the entry point"
        " nodeproxy.policies of an installed package; docs/write-a-policy.md",
    )
    own_policy_limit_s: Positive = Field(
        5.0,
        description="CPU or sleep that one call of a custom policy may take from a worker at once; beyond it the"
        " worker is replaced",
    )
    abort_on_half_close: bool = Field(
        False, description="abort the request when the downstream connection is half-closed"
    )
    trust_forwarded: Sources = Field(
        (),
        description="clients whose X-Forwarded-*, Forwarded and X-Real-IP are trusted: addresses, CIDRs such as"
        " 10.0.0.0/8, and namespaces of this node's pods such as namespace:ingress-nginx (pods on the host network"
        " by address only)",
    )
    # RFC 9110, 7.6.3 requires both; but nginx does not compress a response to a request with Via (gzip_proxied off).
    via: Literal["none", "responses", "both"] = Field("responses", description="messages that get a field Via")
    troubleshooting_url: Annotated[str, AfterValidator(setting_text.page)] = Field(
        "",
        description="page with a section for each reason of an error, such as"
        " https://docs.example/nodeproxy/troubleshooting/: errors of the mesh get a field Link to it; empty: none,"
        " and their text names the command `nodeproxy why`",
    )
    trace_sample_ratio: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of requests without a trace context that begin a trace, marked as sampled; of others the"
        " caller has decided",
    )
    otlp_endpoint: Annotated[str, AfterValidator(setting_text.collector)] = Field(
        "",
        description="OpenTelemetry collector that gets the spans of sampled requests by OTLP/HTTP, such as"
        " http://collector.observability:4318; empty: no spans",
    )
    otlp_headers_file: MaybePath = Field(
        "",
        description="file with header fields for the collector, as a Secret is mounted: one `name: value` a line;"
        " empty: none",
    )
    trace_b3: bool = Field(
        True, description="with otlp_endpoint: read trace contexts of B3 too, and send them on beside traceparent"
    )
    head_timeout_s: Positive = Field(
        10.0, description="limit from the first byte of a request head to its last"
    )  # HAProxy's advice
    downstream_idle_timeout_s: Positive = Field(
        3600.0, description="limit between two requests of a downstream connection"
    )  # Envoy's
    head_limit_bytes: int = Field(
        64 * 1024, ge=1024, le=64 * 1024, description="size limit of a request or response head"
    )
    head_limit_fields: int = Field(
        100, ge=10, description="limit of field lines in a request or response head"
    )  # Envoy's, Apache's
    line_limit_bytes: int = Field(
        8 * 1024, ge=256, le=64 * 1024, description="size limit of a request line"
    )  # Apache's, nginx's
    http2_streams_limit: int = Field(
        100, ge=1, le=10_000, description="requests at a time on one HTTP/2 downstream connection; more are refused"
    )  # Envoy's advice, HAProxy's default; RFC 9113, 6.5.2 recommends no less
    http2_window_bytes: int = Field(
        64 * 1024,
        ge=64 * 1024,
        le=16 * 1024 * 1024,
        description="received and unread bytes of the body of one HTTP/2 stream; more makes an upload over a long way"
        " faster",
    )  # nginx's; never below 65535, which a client sends before it has read the settings (RFC 9113, 6.9.2)
    http2_quick_resets_limit: int = Field(
        500,
        ge=10,
        description="streams of one HTTP/2 downstream connection that may be reset within a second of their beginning"
        " while they are half of all (rapid reset, CVE-2023-44487; MadeYouReset, CVE-2025-8671); beyond it the"
        " connection is closed",
    )  # Envoy's premature_reset_total_stream_count
    downstream_connections_limit: int = Field(
        16384,
        ge=1,
        description="downstream connections per worker, fewer under a low limit of open files; at the limit the proxy"
        " closes idle ones; TCP takes at most 7/8 of them",
    )
    udp_sessions_limit: int = Field(
        8192,
        ge=16,
        le=1_000_000,
        description="UDP sessions per worker, fewer under a low limit of open files; at the limit the one that has been"
        " silent longest ends. Each has a local port: net.ipv4.ip_local_port_range bounds those of all workers",
    )
    drain_timeout_s: Positive = Field(
        25.0, description="limit for requests in flight at SIGTERM"
    )  # inside kubelet's 30 s

    @model_validator(mode="after")
    def _fit_together(self) -> "Settings":
        """Refuse settings that are valid each and conflict with each other."""
        listeners = [("listen", split_address(self.listen))]
        listeners += [("listen_tls", split_address(self.listen_tls))] if self.listen_tls else []
        listeners += [("dns", split_address(self.dns))] if self.dns else []
        listeners += [("metrics", split_address(self.metrics))]
        listeners += [("page", split_address(self.page))] if self.page else []
        host, port = split_address(self.admin)
        if port + self.workers - 1 > 65535:
            raise ValueError(
                f"admin {self.admin}: worker n serves admin at port + n, and there is no port {port + self.workers - 1}"
            )
        listeners += [("admin", (host, port + index if port else 0)) for index in range(self.workers)]
        _refuse_twice(listeners)
        if self.resolver and self.resolver == self.dns:
            raise ValueError(
                f"resolver {self.resolver} is also the setting dns: the proxy would query itself for external names"
            )
        setting_names.also_zones(self.also_zones, self.cluster_domain)
        ranges = {"mesh_range": ip_network(self.mesh_range), "headless_range": ip_network(self.headless_range)}
        if ranges["mesh_range"].overlaps(ranges["headless_range"]):
            raise ValueError(f"mesh_range {self.mesh_range} overlaps headless_range {self.headless_range}")
        for name, (host, port) in listeners:
            for range_name, each in ranges.items():
                if ip_address(host) in each:
                    raise ValueError(
                        f"{name} {host}:{port} is in {range_name} {each}: a service may be assigned that address"
                    )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags take precedence over the environment, the environment over the file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def ready_file(run_dir: Path) -> Path:
    """Path of the file that exists while a worker is ready.

    The readiness probe checks it instead of /readyz: during an update two proxies of one node share the admin port.
    """
    return run_dir / "ready"


def _refuse_twice(listeners: list[tuple[str, tuple[str, int]]]) -> None:
    """Refuse two listeners at one address: SO_REUSEPORT would let both bind it, and clients would reach either."""
    taken: dict[tuple[object, int], str] = {}
    for name, (host, port) in listeners:
        other = taken.setdefault((ip_address(host), port), name)
        if other != name and port:
            raise ValueError(f"{name} and {other} are both at {host}:{port}; use different ports")


def own_addresses(settings: Settings) -> frozenset[tuple[str, int]]:
    """The addresses of the proxy's own listeners, without the virtual addresses of services."""
    own = (settings.listen, settings.listen_tls, settings.admin)
    return frozenset(split_address(each) for each in own if each)


def own_ranges(settings: Settings) -> tuple[str, ...]:
    """The source addresses that only processes of this node use.

    A connection to a local address has that same address as its source.
    """
    hosts = {split_address(each)[0] for each in (settings.listen, settings.listen_tls) if each}
    return *sorted(hosts), settings.mesh_range, settings.headless_range
