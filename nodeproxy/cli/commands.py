"""The commands of `nodeproxy`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode

import typer

from nodeproxy.cli.asking import ConfigFile, Json, KubeFile, OnNode, Where, show
from nodeproxy.cli.diagnose import diagnose
from nodeproxy.cli.new_policy import new_policy
from nodeproxy.cli.read_settings import read_settings
from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings
from nodeproxy.telemetry import logs

app = typer.Typer(
    help="A service mesh with one proxy per node: http://<service>.<namespace>.mesh/",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
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
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
) -> None:
    """Run the proxy of this node until SIGTERM.

    Every setting can also come from the environment (NODEPROXY_LISTEN=…) or from --config; flags win, then the
    environment. `nodeproxy settings` lists them.
    """
    from nodeproxy.process import supervisor  # here, because only this command needs the whole data plane
    from nodeproxy.process.preflight import CannotStart, look_around, policies_of
    from nodeproxy.process.sockets import CannotListen

    flags = {
        "discovery": discovery, "listen": listen, "admin": admin, "metrics": metrics, "dns": dns, "workers": workers,
        "access_log": access_log,
    }  # fmt: skip
    settings = read_settings(config, {name: value for name, value in flags.items() if value is not None})
    logs.set_up(settings.log_format)
    try:
        look_around(settings, os.environ)
        raise typer.Exit(supervisor.run(settings, policies_of(settings)))
    except (CannotListen, CannotStart) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of Kubernetes YAML.")],
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
) -> None:
    """Report errors in a folder of Kubernetes YAML; exit status 1 if there are any.

    Policies of one's own are known if the setting own_policies names them, and their packages are installed here.
    """
    own = ",".join(read_settings(config, {}).own_policies)
    command = [sys.executable, "-m", "discovery", "check", str(folder), *(["--own-policies", own] if own else [])]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def settings() -> None:
    """List all settings with their defaults and meaning."""
    for name, field in Settings.model_fields.items():
        typer.echo(f"{name} = {field.default!r}\n    {field.description}")


@app.command()
def policies(
    name: Annotated[str, typer.Argument(help="A policy, or a field of one: retries.backoff.", metavar="[NAME]")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print the JSON schema.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of docs/policies.")] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
) -> None:
    """List the policies, or explain one of them: its fields, defaults, bounds, decisions, an example.

    Those of one's own are among them if the setting own_policies names them, and their packages are installed here.
    """
    from rich.console import Console

    from nodeproxy.cli.reference import command  # here, because other commands do not need the imports
    from nodeproxy.policies.own import OwnPolicyUnusable, registry_of

    try:
        registry = registry_of(read_settings(config, {}).own_policies)
        if json or markdown:
            typer.echo((command.json_schema if json else command.markdown)(name, registry), nl=False)
        else:
            command.show(name, Console(highlight=False, markup=False), registry)
    except (command.NoSuchPlace, OwnPolicyUnusable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


app.command("new-policy")(new_policy)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="A policy, or a field of one: retries.backoff.", metavar="[NAME]")] = "",
) -> None:
    """Print the JSON schema of a policy table, or of one policy, for editors and other checks."""
    policies(name, json=True, markdown=False)


app.command()(diagnose)


@app.command()
def status(json: Json = False, config: ConfigFile = None, node: OnNode = "", kubeconfig: KubeFile = None) -> None:
    """Show the workers and watches of the running node (the setting run_dir finds it)."""
    from nodeproxy.cli.node import status_shown

    show("status", ["status"], status_shown, Where(json, config, node, kubeconfig))


@app.command()
def services(json: Json = False, config: ConfigFile = None, node: OnNode = "", kubeconfig: KubeFile = None) -> None:
    """Show the services that this node calls: endpoints, requests, retries (the setting run_dir finds the node)."""
    from nodeproxy.cli.node import services_table

    show("services", ["services"], lambda text: [services_table(text)], Where(json, config, node, kubeconfig))


Service = Annotated[str, typer.Argument(metavar="SERVICE", help="reviews.shop or shop/reviews, :PORT if wanted.")]


@app.command()
def endpoints(
    name: Service, json: Json = False, config: ConfigFile = None, node: OnNode = "", kubeconfig: KubeFile = None
) -> None:
    """Show the endpoints of a service in every worker: distance, ejections, probes, requests, connections."""
    from nodeproxy.cli import service

    page, where = f"endpoints?{urlencode({'service': name})}", Where(json, config, node, kubeconfig)
    show(page, ["endpoints", name], service.endpoints_shown, where)


@app.command()
def explain(
    name: Service,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Only this port.")] = None,
    path: Annotated[str | None, typer.Option(help="Which rule a request with this path and query takes.")] = None,
    method: Annotated[str | None, typer.Option(help="The method of that request.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="A field of it, repeatable.")
    ] = None,
    caller: Annotated[
        str | None, typer.Option("--from", metavar="NAMESPACE/WORKLOAD|POD", help="Its caller, or a pod's address.")
    ] = None,
    json: Json = False,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
) -> None:
    """Show what is in force for a service, and where each value is written; or which rule a request would take."""
    from nodeproxy.cli import service

    asked = {
        "port": str(port or ""),
        "path": path,
        "method": method,
        "headers": "\n".join(header or ()),
        "from": caller,
    }
    query = urlencode({"service": name} | {key: value for key, value in asked.items() if value})
    options = {"--port": port, "--path": path, "--method": method, "--from": caller}
    words = [f"{option}={value}" for option, value in options.items() if value]
    words = ["explain", name, *words, *(f"--header={each}" for each in header or ())]
    show(f"explain?{query}", words, service.explain_shown, Where(json, config, node, kubeconfig))


@app.command("net")
def network(
    what: Annotated[Literal["up", "down", "status"], typer.Argument(help="Add, remove or show.")],
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
) -> None:
    """Make the mesh's addresses local to this node, as the init container does; needs NET_ADMIN.

    These are the settings listen, mesh_range and headless_range. `status` exits with 1 if one is missing.
    """
    from nodeproxy.process import local_addresses as anyip  # here, because importing pyroute2 takes 0.25 s

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
    for address, is_local in present.items():
        typer.echo(f"{address}: {'local' if is_local else 'not local'}")
    raise typer.Exit(0 if what == "down" or all(present.values()) else 1)


@app.command("cluster-dns")
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
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
) -> None:
    """Configure the cluster DNS to forward the zone mesh, and `also_zones`, to the node's proxy (the setting dns).

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
    flags |= {"--namespace": namespace, "--deployment": deployment, "--admission": admission} if what == "keep" else {}
    given = [str(word) for flag, value in flags.items() if value is not None for word in (flag, value)]
    # replaces this process, so that signals reach it
    os.execv(sys.executable, [sys.executable, "-m", "discovery", "cluster-dns", what, *given])


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the table.")] = False,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="How many requests to send.")] = 400,
) -> None:
    """Start example services and the mesh in front of them, send requests, show the results."""
    command = [sys.executable, "-m", "nodeproxy.demo", str(requests), *(["--once"] if once else [])]
    os.execv(sys.executable, command)  # replaces this process, so that signals reach it
