"""What one discovery process is told at its start, and how the texts of it are read."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from discovery.observe.metrics import Detail
from discovery.services.catalogue import Scope
from discovery.sources.cluster.access import Access
from discovery.sources.external.names import Server


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one discovery process.

    The process ends at the end of the file `ends_with`, a descriptor: the parent holds the other end of the pipe.
    """

    source: Path | Access
    """A folder of YAML, or how to reach an API server."""
    socket: Path
    scope: Scope
    ends_with: int | None = None
    state: Path | None = None
    """The file of the last good state, None for none."""
    resolver: Server | None = None
    """The DNS server for ExternalNames, None for those of /etc/resolv.conf."""
    metrics: tuple[str, int] | None = None
    """The listener address of /metrics, None for none."""
    workers: int = 1
    """How many workers will report."""
    control: Path | None = None
    """The Unix socket of the command line, None for none."""
    limits: int | None = None
    """The descriptor of the memory with the limits of this node, None for none."""
    limit_password_file: Path | None = None
    """The file with the password for the servers of limits of the cluster."""
    otlp_endpoint: str = ""
    """The URL of the collector of traces, "" for none."""
    otlp_headers_file: Path | None = None
    """The file with header fields for it."""
    buckets: Detail = "coarse"
    """The buckets of durations in /metrics."""
    page: tuple[str, int] | None = None
    """The listener address of the page for browsers, None for none."""
    page_hosts: tuple[str, ...] = ()
    """Names in the field Host that it is served at beside those of loopback."""
    page_cluster: bool = False
    """Whether it asks the other nodes, and this node answers them."""


def source_of(text: str) -> Path | Access:
    """The source `files:DIR`, `kube:` or `kube:KUBECONFIG`.

    Raises:
        ValueError: none of them.
    """
    kind, colon, path = text.partition(":")
    if colon and kind == "files" and path:
        return Path(path)
    if colon and kind == "kube":
        return Access(Path(path) if path else None)
    raise ValueError(f"expected files:DIR, kube: or kube:KUBECONFIG, got {text!r}")


def server_of(text: str) -> Server | None:
    """The server with this address and port; None for "".

    Raises:
        ValueError: not an address with a port.
    """
    address, _, port = text.rpartition(":")
    try:
        return Server(str(ip_address(address.strip("[]"))), int(port)) if text else None
    except ValueError:
        raise ValueError(f"expected 10.96.0.10:53 or [::1]:53, got {text!r}") from None
