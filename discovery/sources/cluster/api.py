"""The client of the API server; returns undecoded bytes. kubernetes-asyncio does configuration, authentication, TLS."""

from asyncio import sslproto
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import aiohttp
import msgspec

from discovery.sources.cluster.access import Access, NoAccess
from discovery.sources.cluster.client_modules import (
    ApiClient,
    ConfigException,
    Configuration,
    load_incluster_config,
    load_kube_config,
)
from discovery.sources.cluster.errors import ApiError, Unreachable, Unreadable, of_status

CONNECT_S = 5.0
LIST_S = 30.0  # between two reads of a response; a busy API server may be slow to start one
LINE_BYTES = 4 * 1024 * 1024  # etcd stores no object larger than 1.5 MiB; a longer line is not an event
# asyncio allocates 256 KiB per TLS connection and touches all of it; a record is 16 KiB. Each followed
# service is a connection.
TLS_BUFFER_BYTES = 32 * 1024
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


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator["Api"]:
    """A client of the API server that `access` names.

    Raises:
        NoAccess: no usable configuration.
    """
    sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES
    configuration = Configuration()
    try:
        await _load(access, configuration)
    except (ConfigException, OSError) as error:
        raise NoAccess(f"{access}: {error}") from error
    async with ApiClient(configuration) as client:
        yield Api(client, access)


async def _load(access: Access, configuration: Configuration) -> None:
    if access.kubeconfig is None:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        await load_kube_config(str(access.kubeconfig), client_configuration=configuration, persist_config=False)


class Api:
    """Reads lists, follows watches, changes objects. Reads the token again before it expires and after a 401."""

    def __init__(self, client: ApiClient, access: Access) -> None:
        self._client = client
        self._access = access

    async def read(self, path: str, query: Query) -> bytes:
        """The whole response to a GET.

        Raises:
            ApiError: there is none.
        """
        async with self._asked(path, query, LIST_S) as answer:
            return bytes(await answer.read())

    async def merge(self, path: str, patch: Mapping[str, object]) -> None:
        """Changes the object at `path`: a field of `patch` replaces the object's, null removes it (RFC 7386).

        Raises:
            Conflict: the `resourceVersion` of the patch is not the object's any more.
            ApiError: it is not changed, or it is unknown whether it is.
        """
        body = Body(patch, "application/merge-patch+json")
        async with self._asked(path, FIELD_MANAGER, LIST_S, "PATCH", body) as answer:
            await answer.read()

    async def create(self, path: str, value: Mapping[str, object]) -> None:
        """Creates the object `value` in the collection at `path`.

        Raises:
            Conflict: the name exists already.
            ApiError: it is not created, or it is unknown whether it is.
        """
        async with self._asked(path, FIELD_MANAGER, LIST_S, "POST", Body(value)) as answer:
            await answer.read()

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
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(HEADERS) if body is None else {**HEADERS, "Content-Type": body.type}
        try:
            answer: aiohttp.ClientResponse = await self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params=headers,
                body=None if body is None else dict(body.value),
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=silence_s),
            )
            async with answer:
                if answer.status not in (200, 201):
                    raise await _error(answer)
                yield answer
        except ApiError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}".removesuffix(": ")) from error

    async def reload_token(self) -> None:
        """Reads the token again, because the API server has refused the current one."""
        with suppress(ConfigException, OSError):  # it is being replaced; the current one is tried again
            await _load(self._access, self._client.configuration)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    held = bytearray()
    async for piece in answer.content.iter_any():
        held += piece
        if b"\n" in piece:
            *lines, held = held.split(b"\n")
            for line in lines:
                yield bytes(line)
        if len(held) > LINE_BYTES:
            raise Unreadable(f"a line of more than {LINE_BYTES} bytes")
    if held:
        raise Unreachable("broken off within a line")


async def _error(answer: aiohttp.ClientResponse) -> ApiError:
    body = await answer.content.read(64 * 1024)
    try:
        text = _status.decode(body).message
    except msgspec.DecodeError:
        text = answer.reason or ""
    return of_status(answer.status, text, _seconds(answer.headers.get("Retry-After", "")))


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0
