"""How to reach an API server; apart from the client library, which costs 45 MiB and is not always needed."""

from dataclasses import dataclass
from pathlib import Path


class NoAccess(Exception):
    """There is no usable configuration."""


@dataclass(frozen=True, slots=True)
class Access:
    """The pod's own account, or a kubeconfig."""

    kubeconfig: Path | None = None

    def __str__(self) -> str:
        return f"kube:{self.kubeconfig or ''}"
