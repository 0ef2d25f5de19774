"""Every knob of the process: from flags, from the environment (`NODEPROXY_…`), from a file, in this order."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("write an address as 127.0.0.1:8077 or [::1]:8077")
    if host in ("0.0.0.0", "[::]", "*"):
        raise ValueError("never listen on a wildcard address: the host network is not ours")
    return text


def _cluster_domain(text: str) -> str:
    domain = text.lower().removesuffix(".")
    if _DOMAIN.fullmatch(domain) is None:
        raise ValueError("write a domain as cluster.local")
    if f".{domain}".endswith(".mesh"):
        raise ValueError("the zone mesh is the mesh's own: the cluster's names have to lie elsewhere")
    return domain


_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*", re.ASCII)
Address = Annotated[str, AfterValidator(_address)]
MaybeAddress = Annotated[str, AfterValidator(lambda text: _address(text) if text else text)]
Positive = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """What `nodeproxy run` may be told. Policies are not here: they stand in the policy table."""

    model_config = SettingsConfigDict(env_prefix="NODEPROXY_", extra="forbid", frozen=True)

    discovery: str = Field(
        "files:.",
        pattern=r"^(files:.+|kube:.*)$",
        description="where services come from: files:DIR, kube: (the cluster of this pod) or kube:KUBECONFIG",
    )
    state_file: str = Field("", description="keeps the last good state of the mesh for a start without its source")
    listen: Address = Field("127.0.0.1:8077", description="address that serves HTTP by mesh name")
    admin: Address = Field("127.0.0.1:9077", description="address of /metrics, /livez, /readyz and /debug")
    dns: MaybeAddress = Field("", description="address that answers DNS for the zone mesh, UDP and TCP; empty: none")
    resolver: MaybeAddress = Field("", description="DNS server for ExternalName services; empty: /etc/resolv.conf's")
    workers: int = Field(1, ge=1, le=64, description="worker processes; worker n serves admin on its port + n")
    run_dir: str = Field("", description="folder of the process' sockets; a private temporary one by default")
    mesh_range: str = Field("127.77.0.0/16", description="virtual addresses of services with a ClusterIP")
    headless_range: str = Field("127.78.0.0/16", description="virtual addresses of services without one")
    virtual_addresses: bool = Field(True, description="listen on each service's own address and ports")
    default_namespace: str = Field(
        "default", description="the namespace that <service>.mesh is in for callers that are no pods; empty: none"
    )
    cluster_domain: Annotated[str, AfterValidator(_cluster_domain)] = Field(
        "cluster.local", description="the cluster's own: <service>.<namespace>.svc.<domain> as a Host is the service"
    )
    node_name: str = Field("", description="name of this node: whose pods are known as callers, what is near")
    zone: str = Field("", description="its zone; by default the label topology.kubernetes.io/zone of its Node object")
    on_demand: bool = Field(True, description="follow endpoints only of services that pods of this node call (kube:)")
    access_log: Literal["off", "json", "text"] = Field("off", description="one line per request on stdout")
    log_format: Literal["json", "text"] = Field("text", description="what happens to the proxy itself, on stderr")
    half_close_is_gone: bool = Field(False, description="a client that half-closes gets no answer any more")
    trust_forwarded: bool = Field(
        False, description="believe X-Forwarded-* of clients and append to it, instead of replacing it"
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
    connections_most: int = Field(
        16384,
        ge=1,
        description="client connections per worker, fewer where open files are few; then idle ones make way",
    )
    drain_timeout_s: Positive = Field(25.0, description="for requests under way at SIGTERM")  # inside kubelet's 30 s

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


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address as the settings write it."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def own_addresses(settings: Settings) -> frozenset[tuple[str, int]]:
    """Where this node's proxy listens itself, beside the services' own addresses."""
    return frozenset((split_address(settings.listen), split_address(settings.admin)))


def own_ranges(settings: Settings) -> tuple[str, ...]:
    """Where only this node itself calls from: a connection to a local address comes from that very address."""
    return split_address(settings.listen)[0], settings.mesh_range, settings.headless_range
