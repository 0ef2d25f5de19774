"""The client of the API server; returns undecoded bytes. kubernetes-asyncio does configuration and authentication."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlencode

import httpcore
import msgspec

from discovery.sources.cluster.access import Access, NoAccess
from discovery.sources.cluster.client_modules import (
    ConfigException,
    Configuration,
    load_incluster_config,
    load_kube_config,
)
from discovery.sources.cluster.connections import Connections
from discovery.sources.cluster.errors import ApiError, Unreachable, Unreadable, of_status

CONNECT_S = 5.0
LIST_S = 30.0  # between two reads of a response; a busy API server may be slow to start one
LINE_BYTES = 4 * 1024 * 1024  # etcd stores no object larger than 1.5 MiB; a longer line is not an event
ERROR_BYTES = 64 * 1024  # of the body of an error: more than any Status object
HEADERS = {"Accept": "application/json", "User-Agent": "nodeproxy"}
FIELD_MANAGER = {"fieldManager": "nodeproxy"}  # the author of a field in `kubectl get --show-managed-fields`

Query = Mapping[str, str]


class Body(NamedTuple):
    """The body of a request."""

    value: Mapping[str, object]
    type: str = "application/json"


class _Status(msgspec.Struct):
    message: str = ""


_status = msgspec.json.Decoder(_Status)
_NO_ANSWER = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    ConfigException,  # the token is being replaced
    OSError,
)


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator["Api"]:
    """A client of the API server that `access` names.

    Raises:
        NoAccess: no usable configuration.
    """
    configuration = Configuration()
    try:
        await _load(access, configuration)
        connections = Connections(configuration)
    except (ConfigException, OSError, ValueError) as error:
        raise NoAccess(f"{access}: {error}") from error
    async with aclosing(connections):
        yield Api(connections, configuration, access)


async def _load(access: Access, configuration: Configuration) -> None:
    if access.kubeconfig is None:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        await load_kube_config(str(access.kubeconfig), configuration)


class Api:
    """Reads lists, follows watches, changes objects. Reads the token again before it expires and after a 401."""

    def __init__(self, connections: Connections, configuration: Configuration, access: Access) -> None:
        self._connections = connections
        self._configuration = configuration
        self._access = access

    async def read(self, path: str, query: Query) -> bytes:
        """The whole response to a GET.

        Raises:
            ApiError: there is none.
        """
        async with self._asked(path, query, LIST_S) as answer:
            return await answer.aread()

    async def merge(self, path: str, patch: Mapping[str, object]) -> None:
        """Changes the object at `path`: a field of `patch` replaces the object's, null removes it (RFC 7386).

        Raises:
            Conflict: the `resourceVersion` of the patch is not the object's any more.
            ApiError: it is not changed, or it is unknown whether it is.
        """
        body = Body(patch, "application/merge-patch+json")
        async with self._asked(path, FIELD_MANAGER, LIST_S, "PATCH", body) as answer:
            await answer.aread()

    async def create(self, path: str, value: Mapping[str, object]) -> None:
        """Creates the object `value` in the collection at `path`.

        Raises:
            Conflict: the name exists already.
            ApiError: it is not created, or it is unknown whether it is.
        """
        async with self._asked(path, FIELD_MANAGER, LIST_S, "POST", Body(value)) as answer:
            await answer.aread()

    @asynccontextmanager
    async def lines(self, path: str, query: Query, silence_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of the response to a GET as they arrive, until the server ends it.

        Raises:
            Unreachable: no bytes for `silence_s` seconds, or the connection broke.
            ApiError: there is no response.
        """
        async with self._asked(path, query, silence_s) as answer:
            yield _lines(answer)

    @asynccontextmanager
    async def _asked(
        self, path: str, query: Query, silence_s: float, method: str = "GET", body: Body | None = None
    ) -> AsyncIterator[httpcore.Response]:
        timeouts = {"timeout": {"connect": CONNECT_S, "write": LIST_S, "read": silence_s}}
        try:
            headers = {**HEADERS, **await self._authorization()}
            if body is not None:
                headers["Content-Type"] = body.type
            url = f"{self._configuration.host}{path}?{urlencode(query)}"
            content = None if body is None else msgspec.json.encode(body.value)
            fields = list(headers.items())
            async with (
                self._connections.one() as connection,
                connection.stream(method, url, headers=fields, content=content, extensions=timeouts) as answer,
            ):
                if answer.status not in (200, 201):
                    raise await _error(answer)
                yield answer
        except ApiError:
            raise
        except _NO_ANSWER as error:
            raise Unreachable(f"{type(error).__name__}: {error}".removesuffix(": ")) from error

    async def _authorization(self) -> dict[str, str]:
        settings = await self._configuration.auth_settings()
        return {each["key"]: each["value"] for each in settings.values() if each["value"]}

    async def reload_token(self) -> None:
        """Reads the token again, because the API server has refused the current one."""
        with suppress(ConfigException, OSError):  # it is being replaced; the current one is tried again
            await _load(self._access, self._configuration)


async def _lines(answer: httpcore.Response) -> AsyncIterator[bytes]:
    held = bytearray()
    async for piece in answer.aiter_stream():
        held += piece
        if b"\n" in piece:
            *lines, held = held.split(b"\n")
            for line in lines:
                yield bytes(line)
        if len(held) > LINE_BYTES:
            raise Unreadable(f"a line of more than {LINE_BYTES} bytes")
    if held:
        raise Unreachable("broken off within a line")


async def _error(answer: httpcore.Response) -> ApiError:
    body = bytearray()
    async for piece in answer.aiter_stream():
        body += piece
        if len(body) > ERROR_BYTES:
            break
    try:
        text = _status.decode(body).message
    except msgspec.DecodeError:
        text = answer.extensions.get("reason_phrase", b"").decode("latin-1")
    after = {name.lower(): value for name, value in answer.headers}.get(b"retry-after", b"")
    return of_status(answer.status, text, float(after) if after.isdigit() else 0.0)
