"""The objects of the API server that the webhook reads and writes: its Secret, and its configuration."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from discovery.admission.certificate import Identity
from discovery.sources.cluster.errors import Unreadable

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_AUTHORITIES, _CERTIFICATE, _KEY = "ca.crt", "tls.crt", "tls.key"


class Api(Protocol):
    """See `api.Api`."""

    async def read(self, path: str, query: Mapping[str, str]) -> bytes: ...

    async def merge(self, path: str, patch: Mapping[str, object]) -> None: ...

    async def reload_token(self) -> None: ...


class Names(NamedTuple):
    """The names of the webhook's objects: the namespace of Service and Secret, and their name and the webhook's."""

    namespace: str
    service: str
    configuration: str

    @property
    def host(self) -> str:
        """The name that the API server asks the certificate for."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def secret_path(self) -> str:
        """Of the Secret, which has the name of the Service."""
        return f"/api/v1/namespaces/{self.namespace}/secrets/{self.service}"

    @property
    def configuration_path(self) -> str:
        """Of the ValidatingWebhookConfiguration."""
        return f"{CONFIGURATIONS}/{self.configuration}"


class _Versioned(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Secret(msgspec.Struct):
    metadata: _Versioned
    data: dict[str, str] | None = None


class _Configuration(msgspec.Struct):
    metadata: _Versioned
    webhooks: list[dict[str, Any]] | None = None


class Stored(NamedTuple):
    """The Secret in one version; `identity` is None while it is empty."""

    version: str
    identity: Identity | None


async def read_secret(api: Api, names: Names) -> Stored:
    """The Secret as it is.

    Raises:
        ApiError: it cannot be read, or is missing.
    """
    found = _decoded(await api.read(names.secret_path, {}), _Secret)
    data = found.data or {}
    if not any(data.get(key) for key in (_AUTHORITIES, _CERTIFICATE, _KEY)):
        return Stored(found.metadata.resource_version, None)
    try:
        identity = Identity(
            *(b64decode(data.get(key, ""), validate=True) for key in (_AUTHORITIES, _CERTIFICATE, _KEY))
        )
    except NotBase64:
        identity = Identity(b"", b"", b"")  # nonsense, which is replaced
    return Stored(found.metadata.resource_version, identity)


async def write_secret(api: Api, names: Names, identity: Identity, version: str) -> None:
    """Replaces what the Secret keeps, if it still is in the version that was read.

    Raises:
        Conflict: it has changed since: another replica was first.
        ApiError: it is not written, or it is unknown whether it is.
    """
    data = dict(zip((_AUTHORITIES, _CERTIFICATE, _KEY), (b64encode(each).decode() for each in identity), strict=True))
    await api.merge(names.secret_path, {"metadata": {"resourceVersion": version}, "data": data})


async def trust(api: Api, names: Names, authorities: bytes) -> bool:
    """Lets the API server trust these authorities at every webhook of the configuration; whether it did not yet.

    Raises:
        Conflict: the configuration has changed meanwhile.
        ApiError: it cannot be read or written, or is missing.
    """
    found = _decoded(await api.read(names.configuration_path, {}), _Configuration)
    bundle = b64encode(authorities).decode()
    webhooks = found.webhooks or []
    if all(each.get("clientConfig", {}).get("caBundle") == bundle for each in webhooks):
        return False
    trusting = [{**each, "clientConfig": {**each.get("clientConfig", {}), "caBundle": bundle}} for each in webhooks]
    # a merge patch replaces a list as a whole; only the bundles differ, so only these are ours in managedFields
    patch = {"metadata": {"resourceVersion": found.metadata.resource_version}, "webhooks": trusting}
    await api.merge(names.configuration_path, patch)
    return True


def _decoded(answer: bytes, kind: type[Any]) -> Any:  # noqa: ANN401  the JSON edge
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(f"not the object that was asked for: {error}") from error
