"""The commands of `nodeproxy`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from nodeproxy.setting_text import split_address
from nodeproxy.settings import Settings
from nodeproxy.settings_file import UnusableFile, check_file
from nodeproxy.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.table import Table

PIPED_WIDTH = 400  # columns of a table for another program, so that a row stays a line
SHOWN_MOST = 100  # characters of an invalid value: enough to find it

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
    from nodeproxy.process.preflight import CannotStart, look_around
    from nodeproxy.process.sockets import CannotListen

    flags = {
        "discovery": discovery, "listen": listen, "admin": admin, "metrics": metrics, "dns": dns, "workers": workers,
        "access_log": access_log,
    }  # fmt: skip
    settings = read_settings(config, {name: value for name, value in flags.items() if value is not None})
    logs.set_up(settings.log_format)
    try:
        look_around(settings, os.environ)
        raise typer.Exit(supervisor.run(settings))
    except (CannotListen, CannotStart) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="Folder of Kubernetes YAML.")]) -> None:
    """Report errors in a folder of Kubernetes YAML; exit status 1 if there are any."""
    raise typer.Exit(subprocess.run([sys.executable, "-m", "discovery", "check", str(folder)], check=False).returncode)


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
) -> None:
    """List the policies, or explain one of them: its fields, defaults, bounds, decisions, an example."""
    from rich.console import Console

    from nodeproxy.cli.reference import command  # here, because other commands do not need the imports

    try:
        if json or markdown:
            typer.echo((command.json_schema if json else command.markdown)(name), nl=False)
        else:
            command.show(name, Console(highlight=False, markup=False))
    except command.NoSuchPlace as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ConfigFile = Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")]


@app.command()
def status(json: Json = False, config: ConfigFile = None) -> None:
    """Show the workers and watches of the running node (the setting run_dir finds it)."""
    from nodeproxy.cli import node

    _show("status", node.status_shown, json, config)


@app.command()
def services(json: Json = False, config: ConfigFile = None) -> None:
    """Show the services that this node calls: endpoints, requests, retries (the setting run_dir finds the node)."""
    from nodeproxy.cli import node

    _show("services", lambda text: [node.services_table(text)], json, config)


Service = Annotated[str, typer.Argument(metavar="SERVICE", help="reviews.shop or shop/reviews, :PORT if wanted.")]


@app.command()
def endpoints(name: Service, json: Json = False, config: ConfigFile = None) -> None:
    """Show the endpoints of a service in every worker: distance, ejections, probes, requests, connections."""
    from nodeproxy.cli import service

    _show(f"endpoints?{urlencode({'service': name})}", service.endpoints_shown, json, config)


@app.command()
def explain(
    name: Service,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Only this port.")] = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Show what is in force for a service, and why: protocols, policies, subscription, refused ConfigMaps."""
    from nodeproxy.cli import service

    query = urlencode({"service": name} | ({"port": str(port)} if port else {}))
    _show(f"explain?{query}", service.explain_shown, json, config)


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


def _show(page: str, shown: "Callable[[bytes], Iterable[Table | str]]", as_json: bool, config: Path | None) -> None:
    from rich.console import Console  # here, because the import takes time that other commands do not need

    from nodeproxy.cli import node

    try:
        text = node.ask(read_settings(config, {}).run_dir, page)
    except node.NoAnswer as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(text.decode(), nl=False)
        return
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    for each in shown(text):
        console.print(each, soft_wrap=isinstance(each, str))


def read_settings(config: Path | None, flags: dict[str, Any]) -> Settings:
    """The settings in force; exits with status 2 and one line per invalid setting."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(yaml_file=config)

    try:
        if config is not None:
            check_file(config)
        return FromFile(**flags)
    except UnusableFile as error:
        typer.echo(f"--config {config}: {error}", err=True)
        raise typer.Exit(2) from error
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            typer.echo(_sentence(detail), err=True)
        raise typer.Exit(2) from error


def _sentence(detail: ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        text = "unknown setting; `nodeproxy settings` lists all"
    if not detail["loc"]:  # a conflict between settings
        return f"settings: {text}"
    shown = repr(detail["input"])
    shown = shown if len(shown) <= SHOWN_MOST else shown[:SHOWN_MOST] + "…"
    return f"setting {'.'.join(map(str, detail['loc']))}: {text}, got {shown}"
