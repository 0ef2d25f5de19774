"""The commands that show the running node once: `status`, `services`, `endpoints`, `routes`, `explain`."""

from typing import Annotated
from urllib.parse import urlencode

import typer

from nodeproxy.cli.asking import KubeFile, OnNode, Where, show
from nodeproxy.cli.configuration import ConfigFile, Json
from nodeproxy.cli.service_names import Service


def status(json: Json = False, config: ConfigFile = None, node: OnNode = "", kubeconfig: KubeFile = None) -> None:
    """Show workers, watches and callers of the running node.

    The setting run_dir finds the node.
    """
    from nodeproxy.cli.node import status_shown

    show("status", ["status"], status_shown, Where(json, config, node, kubeconfig))


def services(
    everything: Annotated[bool, typer.Option("--all", help="Also those that this node has not called.")] = False,
    json: Json = False,
    config: ConfigFile = None,
    node: OnNode = "",
    kubeconfig: KubeFile = None,
) -> None:
    """Show the services that this node calls, and how it goes.

    For each port: address, endpoints, requests, errors and retries since the node started; `top` shows them per second.
    """
    from nodeproxy.cli.node import services_shown

    words = ["services", *(["--all"] if everything else [])]
    show("services?all" if everything else "services", words, services_shown, Where(json, config, node, kubeconfig))


def endpoints(
    name: Service, json: Json = False, config: ConfigFile = None, node: OnNode = "", kubeconfig: KubeFile = None
) -> None:
    """Show the endpoints of a service, and why not all are used.

    For each worker: distance, ejections, probes, requests and connections.
    """
    from nodeproxy.cli import service

    page, where = f"endpoints?{urlencode({'service': name})}", Where(json, config, node, kubeconfig)
    show(page, ["endpoints", name], service.endpoints_shown, where)


def routes(
    name: Service, json: Json = False, config: ConfigFile = None, node: OnNode = "", kubeconfig: KubeFile = None
) -> None:
    """Show the route rules of a service, and how often each won.

    In their order, with what each matches, where its requests go, and its canary.
    """
    from nodeproxy.cli import rules

    page, where = f"routes?{urlencode({'service': name})}", Where(json, config, node, kubeconfig)
    show(page, ["routes", name], rules.routes_shown, where)


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
    """Show what is in force for a service, and where it is written.

    With --path, --method, --header or --from: which rule such a request would take.
    """
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
