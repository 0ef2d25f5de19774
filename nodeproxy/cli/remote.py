"""Runs a command of `nodeproxy` in the proxy's pod of another node: exec through the API server, as kubectl does."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from kubernetes_asyncio.client import ApiClient, ApiException, Configuration, CoreV1Api
from kubernetes_asyncio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes_asyncio.stream import WsApiClient
from kubernetes_asyncio.stream.ws_client import ERROR_CHANNEL, STDERR_CHANNEL, STDOUT_CHANNEL

NAMESPACE, LABEL, CONTAINER = "nodeproxy", "app=nodeproxy", "nodeproxy"  # as in manifests/base/daemonset.yaml
LIMIT_S = 60.0
ANSWER_MOST = 64 * 1024 * 1024  # bytes: a page of 10,000 services is 3 MB
NODES_NAMED = 5


class NotReached(Exception):
    """The node cannot be asked; the text has the place and what to do."""


class Finished(NamedTuple):
    """A command that has ended."""

    stdout: bytes
    stderr: str
    status: int


def run(
    node: str, words: Sequence[str], kubeconfig: Path | None = None, heard: Callable[[bytes], None] | None = None
) -> Finished:
    """`nodeproxy` with these words on that node, with the account of the kubeconfig; by default that of kubectl.

    `heard` gets each line as it comes, and stdout is then empty; such a command may take as long as it wants. Its
    stdin is open until this ends, in whatever way; the stdin of other commands is empty.

    Raises:
        NotReached: there is no such node, no running proxy on it, or the account may not use `pods/exec`.
    """
    return asyncio.run(_bounded(node, words, kubeconfig, heard))


async def _bounded(
    node: str, words: Sequence[str], kubeconfig: Path | None, heard: Callable[[bytes], None] | None
) -> Finished:
    configuration = Configuration()
    try:
        await load(kubeconfig, configuration)
    except (ConfigException, OSError) as error:
        raise NotReached(f"--node needs a kubeconfig, as kubectl does (--kubeconfig, KUBECONFIG): {error}") from error
    try:
        async with asyncio.timeout(LIMIT_S) as limit, ApiClient(configuration) as api:
            pod = await pod_of(CoreV1Api(api), node)

            def passed_on(line: bytes) -> None:
                limit.reschedule(None)
                if heard is not None:
                    heard(line)

            return await _executed(configuration, pod, words, None if heard is None else passed_on)
    except TimeoutError as error:
        raise NotReached(f"node {node}: no answer through the API server within {LIMIT_S:g} s") from error
    except aiohttp.WSServerHandshakeError as error:
        raise refused(error.status, f"pods/exec in namespace {NAMESPACE}", error.message) from error
    except ApiException as error:
        raise refused(error.status, "pods", message_of(error)) from error
    except aiohttp.ClientError as error:
        raise NotReached(f"the API server {configuration.host} cannot be reached: {error}") from error


async def load(kubeconfig: Path | None, configuration: Configuration) -> None:
    """Read a kubeconfig, by default that of kubectl, else the account of this pod. Raises ConfigException, OSError."""
    try:
        path = None if kubeconfig is None else str(kubeconfig)
        await load_kube_config(path, client_configuration=configuration, persist_config=False)
    except ConfigException:
        if kubeconfig is not None:
            raise
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]


async def pod_of(api: CoreV1Api, node: str) -> Any:  # noqa: ANN401  untyped client
    """The running pod of the proxy on that node. Raises NotReached, ApiException."""
    found = await api.list_namespaced_pod(
        NAMESPACE, label_selector=LABEL, field_selector=f"spec.nodeName={node},status.phase=Running"
    )
    ready = [each for each in found.items if each.metadata.deletion_timestamp is None]
    if ready:
        return ready[-1]  # during an update two run side by side; the newer one is last
    raise NotReached(await _no_pod(api, node))


async def _no_pod(api: CoreV1Api, node: str) -> str:
    missing = f"no running pod of the proxy ({LABEL} in namespace {NAMESPACE}) is on node {node}"
    see = f"kubectl -n {NAMESPACE} get pods -o wide"
    try:
        nodes = sorted(each.metadata.name for each in (await api.list_node()).items)
    except ApiException:  # whoever may use exec in one namespace need not see nodes
        return f"{missing}; check the name and see {see}"
    if node in nodes:
        return f"{missing}; see {see}"
    return f"there is no node {node}; there are {', '.join(nodes[:NODES_NAMED]) or 'none'}"


async def _executed(
    configuration: Configuration,
    pod: Any,  # noqa: ANN401
    words: Sequence[str],
    heard: Callable[[bytes], None] | None,
) -> Finished:
    out: dict[int, bytearray] = {STDOUT_CHANNEL: bytearray(), STDERR_CHANNEL: bytearray(), ERROR_CHANNEL: bytearray()}
    async with WsApiClient(configuration) as api:
        exec_in: Any = CoreV1Api(api).connect_get_namespaced_pod_exec  # typed as if it could only wait for the end
        connecting = await exec_in(
            pod.metadata.name,
            pod.metadata.namespace,
            command=["nodeproxy", *words],
            container=CONTAINER,
            stdin=heard is not None,  # it ends with this connection, and with it a command that may take long
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        async with connecting as socket:
            async for message in socket:
                data = message.data if isinstance(message.data, bytes) else str(message.data).encode()
                if data[:1] and data[0] in out:
                    out[data[0]] += data[1:]
                while heard is not None and b"\n" in out[STDOUT_CHANNEL]:
                    line, _, rest = out[STDOUT_CHANNEL].partition(b"\n")
                    out[STDOUT_CHANNEL] = rest
                    heard(bytes(line))
                if len(out[STDOUT_CHANNEL]) > ANSWER_MOST:
                    raise NotReached(f"the answer of {pod.metadata.name} is larger than {ANSWER_MOST} bytes")
    stderr = out[STDERR_CHANNEL].decode(errors="replace")
    return Finished(bytes(out[STDOUT_CHANNEL]), stderr, _exit_status(bytes(out[ERROR_CHANNEL]), pod.metadata.name))


def _exit_status(text: bytes, pod: str) -> int:
    """That of the command, from the last message of the exec protocol (v4.channel.k8s.io)."""
    if not text:
        raise NotReached(f"the connection to pod {pod} was lost before the command ended")
    status = json.loads(text)
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise NotReached(f"pod {pod}: {status.get('message', 'the command could not be run')}")


def refused(status: int | None, what: str, message: str) -> NotReached:
    """The error for what the API server does not do."""
    if status in (401, 403):
        verbs = what.partition(" ")[0] if "/" in what else "pods/exec"
        cure = f"ask for a Role with `create` and `get` on {verbs} and `list` on pods in namespace {NAMESPACE}"
        return NotReached(f"the API server forbids {what} ({status}, {message}); {cure}")
    return NotReached(f"the API server refuses {what}: {status}, {message}")


def message_of(error: ApiException) -> str:
    """What the API server says about it."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
