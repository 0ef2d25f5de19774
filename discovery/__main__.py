"""The command line: `python -m discovery serve`, `check DIR` and `cluster-dns keep|remove|show`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from discovery.cluster_dns.command import app as cluster_dns
from discovery.kubernetes.objects import Ref
from discovery.log import LogFormat
from discovery.observe.metrics import Detail
from discovery.serve import run
from discovery.services.catalogue import POLICY_MAP, Scope
from discovery.services.places import Place
from discovery.settings import Settings, server_of, source_of
from discovery.sources.cluster.access import Access
from nodeproxy.mesh.address import HEADLESS_RANGE, MESH_RANGE, address_range
from nodeproxy.policies.own import OwnPolicyUnusable, registry_of
from nodeproxy.policies.registry import Registry

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(cluster_dns, name="cluster-dns")

STDIN = 0
MeshRange = Annotated[str, typer.Option(metavar="CIDR", help="Mesh addresses of services with a ClusterIP.")]
HeadlessRange = Annotated[str, typer.Option(metavar="CIDR", help="Mesh addresses of services without one.")]
PolicyNamespace = Annotated[str, typer.Option(help="Namespace of the ConfigMap that holds the policy tables.")]
PolicyName = Annotated[str, typer.Option(help="Its name.")]


TraefikAnnotations = Annotated[bool, typer.Option(help="Read the annotations of Traefik Mesh on Services.")]
OwnPolicies = Annotated[str, typer.Option(metavar="NAME,NAME", help="Custom policies, of installed packages.")]


def _registry(names: str) -> Registry:
    try:
        return registry_of(tuple(filter(None, names.split(","))))
    except OwnPolicyUnusable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _scope(mesh_range: str, headless_range: str, policy_map: Ref) -> Scope:
    mesh = _read(address_range, mesh_range, "--mesh-range")
    headless = _read(address_range, headless_range, "--headless-range")
    if mesh.overlaps(headless):
        raise typer.BadParameter(f"it overlaps with --headless-range {headless_range}", param_hint="--mesh-range")
    return Scope(mesh, headless, policy_map)


Read = TypeVar("Read")


def _read(read: Callable[[str], Read], text: str, option: str) -> Read:
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


@app.command("serve")
def serve_command(
    source: Annotated[str, typer.Option(metavar="files:DIR|kube:[KUBECONFIG]", help="Where the objects come from.")],
    socket: Annotated[Path, typer.Option(help="Unix socket that workers connect to.")],
    mesh_range: MeshRange = str(MESH_RANGE),
    headless_range: HeadlessRange = str(HEADLESS_RANGE),
    policy_namespace: PolicyNamespace = POLICY_MAP.namespace,
    policy_name: PolicyName = POLICY_MAP.name,
    node: Annotated[str, typer.Option(help="Name of this node: whose pods call, and which endpoints are near.")] = "",
    zone: Annotated[str, typer.Option(help="Its zone; kube: reads it from the Node by default.")] = "",
    on_demand: Annotated[
        bool, typer.Option("--on-demand", help="Follow endpoints only of services that a worker subscribes to (kube:).")
    ] = False,
    virtual_addresses: Annotated[
        bool, typer.Option(help="Whether workers listen at the mesh addresses of services.")
    ] = True,
    traefik_annotations: TraefikAnnotations = True,
    resolver: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="DNS server for ExternalNames; by default the system's.")
    ] = "",
    metrics: Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="Serves /metrics; by default not.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Number of workers that will connect.")] = 1,
    control: Annotated[Path | None, typer.Option(help="Unix socket of the command line; by default none.")] = None,
    own_policies: OwnPolicies = "",
    limits: Annotated[int | None, typer.Option(help="Descriptor of the memory with this node's limits.")] = None,
    limit_password_file: Annotated[
        Path | None, typer.Option(help="File with the password for servers of limits of the cluster.")
    ] = None,
    otlp_endpoint: Annotated[
        str, typer.Option(metavar="URL", help="OTLP/HTTP collector that gets the workers' traces; by default none.")
    ] = "",
    otlp_headers_file: Annotated[Path | None, typer.Option(help="File with header fields for it.")] = None,
    buckets: Annotated[Detail, typer.Option(help="Detail of durations in /metrics: 5 or 15 per service.")] = "coarse",
    page: Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="Serves the page; by default not.")] = "",
    page_hosts: Annotated[str, typer.Option(metavar="HOST,HOST", help="Further hosts of the page.")] = "",
    page_cluster: Annotated[bool, typer.Option("--page-cluster", help="Show the other nodes too (kube:).")] = False,
    state: Annotated[Path | None, typer.Option(help="File of the last good state, read at the next start.")] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = "text",
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="End when stdin ends, as it does with a parent.")
    ] = False,
) -> None:
    """Serve the mesh described by the objects to the workers of this node."""
    scope = _scope(mesh_range, headless_range, Ref("ConfigMap", policy_namespace, policy_name))
    scope = replace(scope, place=Place(node, zone), virtual_addresses=virtual_addresses)
    scope = replace(scope, traefik_annotations=traefik_annotations, registry=_registry(own_policies))
    where = _read(source_of, source, "--source")
    if isinstance(where, Access):  # a folder is read whole anyway
        scope = replace(scope, on_demand=on_demand)
    settings = Settings(
        where,
        socket,
        scope,
        STDIN if until_eof else None,
        state,
        _read(server_of, resolver, "--resolver"),
        _read(server_of, metrics, "--metrics"),
        workers,
        control,
        limits,
        limit_password_file,
        otlp_endpoint,
        otlp_headers_file,
        buckets,
        _read(server_of, page, "--page"),
        tuple(filter(None, page_hosts.split(","))),
        page_cluster,
    )
    raise typer.Exit(run(settings, log_format))


@app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of YAML and JSON.")],
    mesh_range: MeshRange = str(MESH_RANGE),
    headless_range: HeadlessRange = str(HEADLESS_RANGE),
    policy_namespace: PolicyNamespace = POLICY_MAP.namespace,
    policy_name: PolicyName = POLICY_MAP.name,
    own_policies: OwnPolicies = "",
    traefik_annotations: TraefikAnnotations = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every problem of a folder; exit status 1 if there is an error."""
    scope = _scope(mesh_range, headless_range, Ref("ConfigMap", policy_namespace, policy_name))
    scope = replace(scope, traefik_annotations=traefik_annotations, registry=_registry(own_policies))
    from rich.console import Console  # both are 1.6 MiB, which `serve` has no use for

    from discovery.check import check, report_json, show

    report = check(folder, scope)
    if as_json:
        typer.echo(report_json(report))
    else:
        show(report, Console(highlight=False))
    raise typer.Exit(1 if report.problems else 0)


if __name__ == "__main__":
    app(prog_name="python -m discovery")
