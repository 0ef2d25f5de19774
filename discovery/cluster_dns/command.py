"""`python -m discovery cluster-dns keep|remove|show`."""

import logging
import random
import re
import signal
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import anyio
import typer

from discovery.cluster_dns.keeper import Keeper, Task, remove
from discovery.cluster_dns.objects import Api, config_map, read, texts
from discovery.cluster_dns.plan import NAMESPACE, Plan, Style, names_read, to_have
from discovery.cluster_dns.texts import Upstream
from discovery.log import LogFormat, ProblemLog, configure, log_event
from discovery.services.catalogue import POLICY_MAP
from discovery.sources.cluster.access import Access, NoAccess
from discovery.sources.cluster.errors import ApiError
from discovery.sources.cluster.watch import World
from nodeproxy.mesh.names import CLUSTER_DOMAIN

LEAVE_S = 5.0  # within the pod's ten seconds of termination grace period

app = typer.Typer(help="The mesh's part in the cluster's own DNS.", no_args_is_help=True)

Kubeconfig = Annotated[Path | None, typer.Option(help="How to reach the API server; by default as a pod does.")]
Address = Annotated[str, typer.Option(metavar="ADDRESS[:PORT]", help="Where the nodes answer DNS for the mesh.")]
StyleOption = Annotated[
    Literal["auto", "coredns", "coredns-custom", "kube-dns"],
    typer.Option(help="The ConfigMap in which the cluster's DNS is configured."),
]
Format = Annotated[LogFormat, typer.Option(help="How log lines look.")]
Domain = Annotated[str, typer.Option(help="The cluster's own domain, if no Corefile has it.")]
Zones = Annotated[str, typer.Option(metavar="ZONE,…", help="Further zones that the nodes answer for.")]
PORT_MOST = 65535
ADMISSION_SERVICE = "nodeproxy-admission"  # as in manifests/components/admission, also its Secret
ADMISSION_CONFIGURATION = "nodeproxy-policy"
ADDRESS = "169.254.77.1"  # as in manifests/base/settings.yaml


class Listen(NamedTuple):
    """Where the admission webhook listens, and which custom policies it knows."""

    host: str
    port: int
    own_policies: tuple[str, ...]


_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
_WRITTEN = re.compile(r"(?:\[(?P<six>[^]]+)\]|(?P<four>[^:]+))(?P<port>:[0-9]{1,5})?|(?P<bare>.+)")


def _upstream(text: str, cluster_domain: str = CLUSTER_DOMAIN, also_zones: str = "") -> Upstream:
    match = _WRITTEN.fullmatch(text)
    try:
        address = ip_address((match and (match["six"] or match["four"] or match["bare"])) or "")
    except ValueError as error:
        expected = "expected an address as 169.254.77.1, 169.254.77.1:5353 or [fd00::1]:5353"
        raise typer.BadParameter(f"{expected}, got {text!r}", param_hint="--address") from error
    if _DOMAIN.fullmatch(cluster_domain) is None:
        raise typer.BadParameter(
            f"expected a domain as {CLUSTER_DOMAIN}, got {cluster_domain!r}", param_hint="--cluster-domain"
        )
    zones = tuple(zone for zone in also_zones.split(",") if zone)
    for zone in zones:
        if _DOMAIN.fullmatch(zone) is None:
            raise typer.BadParameter(f"expected zones as traefik.mesh,maesh, got {zone!r}", param_hint="--also-zones")
    return Upstream(text if match and match["port"] else str(address), cluster_domain, zones)


def _listen(text: str, own_policies: str = "") -> Listen:
    address, _, port = text.rpartition(":")  # the address of a pod may be of IPv6, without brackets
    try:
        own = tuple(filter(None, own_policies.split(",")))
        found = Listen(str(ip_address(address.strip("[]"))), int(port), own)
    except ValueError:
        found = None
    if found is None or not 0 < found.port <= PORT_MOST:
        message = f"expected an address and a port as 10.244.0.7:9443, got {text!r}"
        raise typer.BadParameter(message, param_hint="--admission")
    return found


@app.command("keep")
def keep_command(
    kubeconfig: Kubeconfig = None,
    address: Address = ADDRESS,
    cluster_domain: Domain = CLUSTER_DOMAIN,
    also_zones: Zones = "",
    style: StyleOption = "auto",
    namespace: Annotated[
        str, typer.Option(help="The namespace; the part is removed when it is deleted.")
    ] = "nodeproxy",
    deployment: Annotated[str, typer.Option(help="The Deployment in it; likewise.")] = "nodeproxy-dns",
    admission: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Serves the admission webhook of policy maps; by default not.")
    ] = "",
    own_policies: Annotated[
        str,
        typer.Option(metavar="NAME,NAME", help="Custom policies that the webhook knows, of installed packages."),
    ] = "",
    log_format: Format = "text",
) -> None:
    """Write it, and again after each overwrite, until the mesh is uninstalled."""
    task = Task(style, _upstream(address, cluster_domain, also_zones), namespace, deployment)
    listen = _listen(admission, own_policies) if admission else None
    configure(log_format)
    raise typer.Exit(_run(_keep, kubeconfig, task, listen))


@app.command("remove")
def remove_command(kubeconfig: Kubeconfig = None, address: Address = ADDRESS, log_format: Format = "text") -> None:
    """Remove it now. A running keeper writes it again."""
    configure(log_format)
    raise typer.Exit(_run(_remove, kubeconfig, _upstream(address)))


@app.command("show")
def show_command(
    kubeconfig: Kubeconfig = None,
    address: Address = ADDRESS,
    cluster_domain: Domain = CLUSTER_DOMAIN,
    also_zones: Zones = "",
    style: StyleOption = "auto",
) -> None:
    """Show whether it is there, and what would be written; exit status 1 if it is missing."""
    configure("text")
    raise typer.Exit(_run(_show, kubeconfig, style, _upstream(address, cluster_domain, also_zones)))


# The three commands; each takes an API client and returns the exit status.

Command = Callable[..., Awaitable[int]]


def _run(command: Command, kubeconfig: Path | None, *arguments: object) -> int:
    try:
        return anyio.run(_connected, command, Access(kubeconfig), arguments, backend="asyncio")
    except NoAccess as error:
        log_event("no access to the API server", logging.ERROR, reason=error)
    except ApiError as error:
        log_event("the API server refused", logging.ERROR, reason=error)
    return 1


async def _connected(command: Command, access: Access, arguments: tuple[object, ...]) -> int:
    from discovery.sources.cluster.api import connected  # with its client it costs 45 MiB

    async with connected(access) as api:
        return await command(api, *arguments)


async def _keep(api: Api, task: Task, listen: Listen | None) -> int:
    world = World(anyio.sleep, time.monotonic, random.random)
    keeper = Keeper(api, task, world)
    # open to the end: a second signal must not interrupt the removal
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        async with anyio.create_task_group() as group:
            group.start_soon(_end_on_signal, received, group.cancel_scope)
            if listen is not None:
                group.start_soon(_admission, api, task.namespace, listen, world)
            await keeper.run()
        with anyio.move_on_after(LEAVE_S, shield=True):
            try:
                await keeper.leave()
            except ApiError as error:
                log_event("ended; whether this is an uninstall is unknown", logging.WARNING, reason=error)
    log_event("ended")
    return 0


async def _admission(api: Api, namespace: str, listen: Listen, world: World) -> None:
    """The webhook beside the keeper, which works on without it."""
    try:
        from discovery.admission.secret import Names
        from discovery.admission.webhook import Where, run  # with its cryptography it costs 9 MiB
        from nodeproxy.policies.own import OwnPolicyUnusable, registry_of
    except ImportError as error:
        cure = "install nodeproxy[admission], or start without --admission"
        log_event("no admission webhook", logging.ERROR, reason=f"{error}; {cure}")
        return
    try:
        registry = registry_of(listen.own_policies)
    except OwnPolicyUnusable as error:
        log_event("no admission webhook: it would refuse tables that the nodes accept", logging.ERROR, reason=error)
        return
    mesh_map = POLICY_MAP._replace(namespace=namespace)
    names = Names(namespace, ADMISSION_SERVICE, ADMISSION_CONFIGURATION)
    await run(api, Where(listen.host, listen.port, names, mesh_map, registry), world)


async def _remove(api: Api, upstream: Upstream) -> int:
    plan = await remove(api, upstream)
    ProblemLog().show(plan.problems)
    if not plan.changes:
        log_event("nothing to remove")
    return 1 if plan.problems else 0


async def _show(api: Api, style: Style | Literal["auto"], upstream: Upstream) -> int:
    maps = {name: texts(await read(api, config_map(name))) for name in names_read(style)}
    plan = to_have(maps, style, upstream)
    ProblemLog().show(plan.problems)
    if plan.style is not None:
        typer.echo(f"{NAMESPACE}/{plan.style}: {'not there' if _is_missing(plan) else 'there'}")
    for change in plan.changes:
        for key, text in change.data.items():
            typer.echo(f"--- {NAMESPACE}/{change.name} {key}")
            typer.echo("(taken away)" if text is None else text)
    return 1 if _is_missing(plan) else 0


def _is_missing(plan: Plan) -> bool:
    return bool(plan.changes) or any(problem.severity == "error" for problem in plan.problems)


async def _end_on_signal(received: AsyncIterable[signal.Signals], scope: anyio.CancelScope) -> None:
    async for number in received:
        log_event("ending", signal=number.name)
        scope.cancel()
        return
