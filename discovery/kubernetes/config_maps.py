"""ConfigMaps, of which some are policy maps."""

from discovery.kubernetes.objects import Metadata, Object

POLICY_LABEL = "mesh.nodeproxy.dev/policy"  # "true" makes a ConfigMap one of its namespace's policy maps


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
