"""A local port that leads to the page of another node: port-forward through the API server, as kubectl does.

Each connection is a WebSocket of its own (`v4.channel.k8s.io`): channel 0 has the bytes, channel 1 the error, and the
first message of each only the port. Nothing else of the node is reachable through it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiClient, ApiException, Configuration, CoreV1Api
from kubernetes_asyncio.config import ConfigException
from kubernetes_asyncio.stream import WsApiClient

from nodeproxy.cli.remote import NAMESPACE, NotReached, load, message_of, pod_of, refused

DATA, ERROR = b"\0", b"\1"
READ_BYTES = 16 * 1024
CONNECT_S = 10.0
CONNECTIONS_MOST = 64  # of browsers: six of each, and its streams


async def forward(
    node: str, ports: tuple[int, int], kubeconfig: Path | None, ready: Callable[[int], None], say: Callable[[str], None]
) -> None:
    """Forwards a local port to a port of that node's loopback until cancelled; `ready` gets the local one.

    `ports` are the local one, 0 for any free one, and the node's. `say` gets why a connection has failed.

    Raises:
        NotReached: there is no such node, no running proxy on it, or the API server refuses.
    """
    configuration = Configuration()
    try:
        await load(kubeconfig, configuration)
    except (ConfigException, OSError) as error:
        raise NotReached(f"--node needs a kubeconfig, as kubectl does (--kubeconfig, KUBECONFIG): {error}") from error
    pod = await _pod(configuration, node)
    local, port = ports
    room = asyncio.Semaphore(CONNECTIONS_MOST)

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with room, WsApiClient(configuration) as api:
                await _joined(api, pod, port, reader, writer)
        except (NotReached, aiohttp.ClientError, OSError) as error:  # the latter for lack of descriptors
            say(str(error))
        finally:
            writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", local)
    async with server:
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()


async def _pod(configuration: Configuration, node: str) -> Any:  # noqa: ANN401  untyped client
    try:
        async with asyncio.timeout(CONNECT_S), ApiClient(configuration) as api:
            return await pod_of(CoreV1Api(api), node)
    except TimeoutError as error:
        raise NotReached(f"node {node}: no answer through the API server within {CONNECT_S:g} s") from error
    except ApiException as error:
        raise refused(error.status, "pods", message_of(error)) from error
    except aiohttp.ClientError as error:
        raise NotReached(f"the API server {configuration.host} cannot be reached: {error}") from error


async def _joined(
    api: WsApiClient,
    pod: Any,  # noqa: ANN401  untyped client
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Passes bytes on until either side ends.

    Raises:
        NotReached: the API server or the node refuses.
    """
    connect: Any = CoreV1Api(api).connect_get_namespaced_pod_portforward  # typed as if it could only wait for the end
    connecting = await connect(pod.metadata.name, pod.metadata.namespace, ports=port, _preload_content=False)
    try:
        async with asyncio.timeout(CONNECT_S):
            socket = await connecting
    except TimeoutError as error:
        name = pod.metadata.name
        raise NotReached(f"pod {name}: no answer through the API server within {CONNECT_S:g} s") from error
    except aiohttp.WSServerHandshakeError as error:
        raise refused(error.status, f"pods/portforward in namespace {NAMESPACE}", error.message) from error
    async with socket:
        up = asyncio.create_task(_up(reader, socket))
        try:
            await _down(socket, writer, pod.metadata.name)
        finally:
            up.cancel()


async def _up(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(READ_BYTES):
            await socket.send_bytes(DATA + data)
        await socket.close()  # the protocol has no half-close


async def _down(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter, pod: str) -> None:
    begun: set[bytes] = set()
    async for message in socket:
        data = message.data if isinstance(message.data, bytes) else str(message.data).encode()
        channel, rest = data[:1], data[1:]
        if channel not in begun:
            begun.add(channel)
            rest = rest[2:]  # the port, little-endian
        if channel == ERROR and rest:
            raise NotReached(f"pod {pod}: {rest.decode(errors='replace').strip()}")
        if channel == DATA and rest:
            try:
                writer.write(rest)
                await writer.drain()
            except ConnectionError:
                return
