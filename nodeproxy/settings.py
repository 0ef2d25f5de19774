"""Every knob of the process: from flags, from the environment (`NODEPROXY_…`), from a file, in this order."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from nodeproxy import setting_text
from nodeproxy.setting_text import split_address

Address = Annotated[str, AfterValidator(setting_text.own_address)]
KnownAddress = Annotated[str, AfterValidator(setting_text.known_address)]
MaybeKnownAddress = Annotated[str, AfterValidator(lambda text: setting_text.known_address(text) if text else text)]
Server = Annotated[str, AfterValidator(lambda text: setting_text.server_address(text) if text else text)]
Addresses = Annotated[str, AfterValidator(setting_text.range_of_addresses)]
MaybePath = Annotated[str, AfterValidator(setting_text.path)]
Sources = Annotated[
    tuple[Annotated[str, AfterValidator(setting_text.trusted_source)], ...],
    NoDecode,  # the environment writes it with commas, not as JSON
    BeforeValidator(setting_text.sources),
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What `nodeproxy run` may be told. Policies are not here: they stand in the policy table."""

    model_config = SettingsConfigDict(env_prefix="NODEPROXY_", extra="forbid", frozen=True)

    discovery: Annotated[str, AfterValidator(setting_text.origin)] = Field(
        "files:.",
        description="where services come from: files:DIR, kube: (the cluster of this pod) or kube:KUBECONFIG",
    )
    state_file: MaybePath = Field(
        "", description="keeps the last good state of the mesh for a start without its source"
    )
    listen: KnownAddress = Field("127.0.0.1:8077", description="address that serves HTTP by mesh name")
    admin: Address = Field("127.0.0.1:9077", description="address of /metrics, /livez, /readyz and /debug")
    dns: MaybeKnownAddress = Field(
        "", description="address that answers DNS for the zone mesh, UDP and TCP; empty: none"
    )
    resolver: Server = Field("", description="DNS server for ExternalName services; empty: /etc/resolv.conf's")
    workers: int = Field(1, ge=1, le=64, description="worker processes; worker n serves admin on its port + n")
    run_dir: MaybePath = Field("", description="folder of the process' sockets; a private temporary one by default")
    mesh_range: Addresses = Field("127.77.0.0/16", description="virtual addresses of services with a ClusterIP")
    headless_range: Addresses = Field("127.78.0.0/16", description="virtual addresses of services without one")
    virtual_addresses: bool = Field(True, description="listen on each service's own address and ports")
    default_namespace: Annotated[str, AfterValidator(setting_text.namespace)] = Field(
        "default", description="the namespace that <service>.mesh is in for callers that are no pods; empty: none"
    )
    cluster_domain: Annotated[str, AfterValidator(setting_text.cluster_domain)] = Field(
        "cluster.local", description="the cluster's own: <service>.<namespace>.svc.<domain> as a Host is the service"
    )
    node_name: Annotated[str, AfterValidator(setting_text.node_name)] = Field(
        "", description="name of this node: whose pods are known as callers, what is near"
    )
    zone: Annotated[str, AfterValidator(setting_text.zone)] = Field(
        "", description="its zone; by default the label topology.kubernetes.io/zone of its Node object"
    )
    on_demand: bool = Field(True, description="follow endpoints only of services that pods of this node call (kube:)")
    access_log: Literal["off", "json", "text"] = Field("off", description="one line per request on stdout")
    log_format: Literal["json", "text"] = Field("text", description="what happens to the proxy itself, on stderr")
    half_close_is_gone: bool = Field(False, description="a client that half-closes gets no answer any more")
    trust_forwarded: Sources = Field(
        (),
        description="clients that are believed when they say for whom they speak (X-Forwarded-*, Forwarded, X-Real-IP):"
        " addresses, CIDRs as 10.0.0.0/8, and namespaces of this node's pods as namespace:ingress-nginx (a pod on the"
        " host network is known by its address only)",
    )
    # RFC 9110, 7.6.3 asks for both; but for a request with Via nginx compresses nothing (gzip_proxied off).
    via: Literal["none", "responses", "both"] = Field("responses", description="which messages get a field Via")
    trace_sample_ratio: float = Field(
        0.0, ge=0, le=1, description="of requests without traceparent that get one, marked as sampled"
    )
    head_timeout_s: Positive = Field(10.0, description="from a head's first byte to its last")  # HAProxy's advice
    client_idle_timeout_s: Positive = Field(3600.0, description="between two requests of a connection")  # Envoy's
    head_limit_bytes: int = Field(64 * 1024, ge=1024, le=64 * 1024, description="of a request or response head")
    head_limit_fields: int = Field(100, ge=10, description="of a request or response head")  # Envoy's, Apache's
    line_limit_bytes: int = Field(8 * 1024, ge=256, le=64 * 1024, description="of a request line")  # Apache's, nginx's
    connections_most: int = Field(16384, ge=1, description="client connections per worker; then accepting waits")
    drain_timeout_s: Positive = Field(25.0, description="for requests under way at SIGTERM")  # inside kubelet's 30 s

    @model_validator(mode="after")
    def _fit_together(self) -> "Settings":
        """Refuse settings that are each valid and cannot be in force together."""
        listeners = [("listen", split_address(self.listen))]
        listeners += [("dns", split_address(self.dns))] if self.dns else []
        host, port = split_address(self.admin)
        if port + self.workers - 1 > 65535:
            raise ValueError(
                f"admin {self.admin}: worker n serves admin on its port + n, and there is no {port + self.workers - 1}"
            )
        listeners += [("admin", (host, port + index if port else 0)) for index in range(self.workers)]
        _refuse_twice(listeners)
        if self.resolver and self.resolver == self.dns:
            raise ValueError(
                f"resolver {self.resolver} is the setting dns: the mesh would ask itself for foreign names"
            )
        ranges = {"mesh_range": ip_network(self.mesh_range), "headless_range": ip_network(self.headless_range)}
        if ranges["mesh_range"].overlaps(ranges["headless_range"]):
            raise ValueError(f"mesh_range {self.mesh_range} overlaps with headless_range {self.headless_range}")
        for name, (host, port) in listeners:
            for range_name, each in ranges.items():
                if ip_address(host) in each:
                    raise ValueError(f"{name} {host}:{port} is in {range_name} {each}: a service may get that address")
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
        """Flags win over the environment, the environment over the file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def ready_file(run_dir: Path) -> Path:
    """Stands while a worker serves clients. For probes: two proxies of one node share the admin port in an update."""
    return run_dir / "ready"


def _refuse_twice(listeners: list[tuple[str, tuple[str, int]]]) -> None:
    """Sockets that workers share would share these too, and a client would reach any of the two."""
    taken: dict[tuple[object, int], str] = {}
    for name, (host, port) in listeners:
        other = taken.setdefault((ip_address(host), port), name)
        if other != name and port:
            raise ValueError(f"{name} and {other} are both at {host}:{port}; give each a port of its own")


def own_addresses(settings: Settings) -> frozenset[tuple[str, int]]:
    """Where this node's proxy listens itself, beside the services' own addresses."""
    return frozenset((split_address(settings.listen), split_address(settings.admin)))


def own_ranges(settings: Settings) -> tuple[str, ...]:
    """Where only this node itself calls from: a connection to a local address comes from that very address."""
    return split_address(settings.listen)[0], settings.mesh_range, settings.headless_range
