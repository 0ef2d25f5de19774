"""The commands that are processes of the mesh, or start them: `run`, `check`, `net`, `cluster-dns`, `demo`."""

import os
import subprocess
import sys
from json import dumps
from pathlib import Path
from typing import Annotated, Literal

import typer

from nodeproxy.cli.configuration import ConfigFile, Json, read_settings


def run(
    discovery: Annotated[str | None, typer.Option(metavar="files:DIR|kube:[FILE]", help="Source of services.")] = None,
    listen: Annotated[str | None, typer.Option(metavar="ADDRESS:PORT", help="Serves HTTP by mesh name.")] = None,
    admin: Annotated[
        str | None, typer.Option(metavar="ADDRESS:PORT", help="Serves /livez and /readyz of a worker.")
    ] = None,
    metrics: Annotated[str | None, typer.Option(metavar="ADDRESS:PORT", help="Serves /metrics of the node.")] = None,
    dns: Annotated[str | None, typer.Option(metavar="ADDRESS:PORT", help="Answers DNS for the zone mesh.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    access_log: Annotated[str | None, typer.Option(metavar="off|json|text", help="A line per request.")] = None,
    config: ConfigFile = None,
) -> None:
    """Run the proxy of this node until SIGTERM.

    Every setting can also come from the environment (NODEPROXY_LISTEN=…) or from --config; flags win, then the
    environment. `nodeproxy settings` lists them.
    """
    from nodeproxy.process.start import start  # here, because only this command needs the whole data plane

    flags = {
        "discovery": discovery, "listen": listen, "admin": admin, "metrics": metrics, "dns": dns, "workers": workers,
        "access_log": access_log,
    }  # fmt: skip
    raise typer.Exit(start(config, {name: value for name, value in flags.items() if value is not None}))


def check(
    folder: Annotated[Path, typer.Argument(help="Folder of Kubernetes YAML.")],
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Report errors in a folder of Kubernetes YAML.

    The exit status is 1 if there are any.

    The settings own_policies (packages that are installed here) and traefik_annotations say what is understood.
    """
    settings = read_settings(config, {})
    flags = [
        *(["--own-policies", ",".join(settings.own_policies)] if settings.own_policies else []),
        *([] if settings.traefik_annotations else ["--no-traefik-annotations"]),
        *(["--json"] if json else []),
    ]
    command = [sys.executable, "-m", "discovery", "check", str(folder), *flags]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def network(
    what: Annotated[Literal["up", "down", "status"], typer.Argument(help="Add, remove or show.")],
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make the mesh's addresses local to this node.

    As the init container does; needs NET_ADMIN.

    These are the settings listen, mesh_range and headless_range. `status` exits with 1 if one is missing.
    """
    from nodeproxy.process import local_addresses as anyip  # here, because importing pyroute2 takes 0.25 s
    from nodeproxy.setting_text import split_address

    settings = read_settings(config, {})
    wanted = anyip.addresses_of(
        split_address(settings.listen)[0], *dict.fromkeys((settings.mesh_range, settings.headless_range))
    )
    try:
        if what != "status":
            (anyip.up if what == "up" else anyip.down)(wanted)
        present = anyip.status(wanted)
    except anyip.CannotSetUp as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    lines = [f"{address}: {'local' if is_local else 'not local'}" for address, is_local in present.items()]
    typer.echo(dumps({str(address): local for address, local in present.items()}) if json else "\n".join(lines))
    raise typer.Exit(0 if what == "down" or all(present.values()) else 1)


def cluster_dns(
    what: Annotated[Literal["keep", "remove", "show"], typer.Argument(help="Add and restore, remove, or show.")],
    style: Annotated[
        str | None, typer.Option(metavar="auto|coredns|coredns-custom|kube-dns", help="Kind of cluster DNS.")
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig; default: the pod's own cluster.")] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the mesh; `keep` removes the part on its deletion.")
    ] = None,
    deployment: Annotated[str | None, typer.Option(help="Deployment of `keep`, likewise.")] = None,
    admission: Annotated[
        str | None, typer.Option(metavar="ADDRESS:PORT", help="With `keep`: serves the admission webhook of policies.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Let the cluster DNS forward names of the mesh.

    The zone mesh, and `also_zones`, go to the node's proxy (the setting dns).

    `show` exits with 1 if the configuration is missing. A running `keep` restores what `remove` removes.
    """
    settings = read_settings(config, {})
    flags: dict[str, object] = {"--kubeconfig": kubeconfig}
    if settings.dns:
        flags["--address"] = settings.dns.removesuffix(":53")
    if what != "remove":
        zones = ",".join(settings.also_zones) or None
        flags |= {"--style": style, "--cluster-domain": settings.cluster_domain, "--also-zones": zones}
    flags |= {"--log-format": settings.log_format} if what != "show" else {}
    if what == "keep":
        own = ",".join(settings.own_policies) if admission and settings.own_policies else None
        flags |= {"--namespace": namespace, "--deployment": deployment, "--admission": admission, "--own-policies": own}
    given = [str(word) for flag, value in flags.items() if value is not None for word in (flag, value)]
    # replaces this process, so that signals reach it
    os.execv(sys.executable, [sys.executable, "-m", "discovery", "cluster-dns", what, *given])


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="No pauses between the steps.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Stay until Ctrl-C after the last step.")] = False,
    step: Annotated[
        Literal["healthy", "break", "canary", "flood", "diagnose"] | None, typer.Option(help="Only this step.")
    ] = None,
) -> None:
    """Show what the mesh does, in a minute: a tour.

    Real servers, a real mesh and real requests on this machine: an endpoint breaks, a canary is shifted, a pod floods a
    service, and a broken service is explained.
    """
    flags = [*(["--quick"] if quick else []), *(["--keep"] if keep else []), *(["--step", step] if step else [])]
    # replaces this process, so that signals reach it
    os.execv(sys.executable, [sys.executable, "-m", "nodeproxy.demo", *flags])
