"""The contexts of a worker's two listeners: for clients of the mesh, and for the admin pages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from nodeproxy.downstream.connection import Accept
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.detection import DetectingConnection
from nodeproxy.downstream.http1 import Http1Connection
from nodeproxy.downstream.http2 import Http2Connection
from nodeproxy.downstream.http2_preface import PREFACE_LINE
from nodeproxy.downstream.prefaces import TLS_PREFACE
from nodeproxy.downstream.server_name import ByServerName
from nodeproxy.downstream.tcp import TcpConnection
from nodeproxy.exchange.exchange import Handler, Observer
from nodeproxy.exchange.recording import Recorder
from nodeproxy.mesh.model import Port, PortProtocol, Service
from nodeproxy.protocol.forwarded import NO_VIA, VIA, Adder
from nodeproxy.protocol.help_lines import HelpLines
from nodeproxy.protocol.message import Request
from nodeproxy.table.table import Route
from nodeproxy.telemetry.stats import RouteStats
from nodeproxy.wiring.data_plane import DataPlane

PREFACES: Mapping[bytes, Accept] = {PREFACE_LINE: Http2Connection}
ACCEPTS: Mapping[PortProtocol, Accept] = {"tcp": TcpConnection, "tls": TcpConnection, "detect": DetectingConnection}
"""What begins with clients of ports with these protocols, at the virtual address of their service."""
ADMIN_IDLE_S = 120.0  # twice the longest usual scrape interval


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How clients are served; each field is described at the setting of its name or meaning (`settings.py`)."""

    head_timeout_s: float
    idle_timeout_s: float
    half_close_is_gone: bool
    trusts_forwarded: bool
    via: Literal["none", "responses", "both"]
    trace_sample_ratio: float
    troubleshooting_url: str = ""


def clients_context(plane: DataPlane, settings: ClientSettings, observer: Observer | None) -> ConnectionContext:
    """The context of listeners whose clients address services by name, in HTTP."""
    return ConnectionContext(
        reactor=plane.reactor,
        accept=Http1Connection,
        match=lambda head, namespace: plane.live.table.match(head, namespace),
        callers=plane.live.callers,
        adder=Adder(plane.random, settings.trace_sample_ratio, VIA if settings.via == "both" else NO_VIA),
        stats=plane.stats,
        recorder=plane.recorder,
        sessions=plane.sessions,
        limits=plane.limits,
        http2=plane.http2,
        head_timeout_s=settings.head_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        half_close_is_gone=settings.half_close_is_gone,
        trusts_forwarded=settings.trusts_forwarded,
        observer=observer,
        via=NO_VIA if settings.via == "none" else VIA,
        help_lines=HelpLines(settings.troubleshooting_url),
        understands_connect=True,
        check_room_to_last=plane.connections.check_room_to_last,
        failures=plane.failures,
        prefaces=PREFACES,
    )


def by_name_context(plane: DataPlane, clients: ConnectionContext, port: int) -> ConnectionContext:
    """`clients`, for a listener at an address of the proxy itself with this port: TLS is passed through by its name."""
    return replace(clients, prefaces={**clients.prefaces, TLS_PREFACE: _by_server_name(plane, port)})


def tls_context(plane: DataPlane, clients: ConnectionContext, port: int) -> ConnectionContext:
    """The same for a listener that expects TLS: a client has to begin in time."""
    return replace(clients, accept=_by_server_name(plane, port))


def _by_server_name(plane: DataPlane, port: int) -> ByServerName:
    return ByServerName(lambda name, namespace, number: plane.live.table.match_tls(name, namespace, number), port)


def admin_context(clients: ConnectionContext, handler: Handler) -> ConnectionContext:
    """The context of the admin listener, whose only service is `handler`; otherwise as that of the main listener."""
    service = Service(namespace="", name="admin", ports=(Port(number=0),))
    route = Route(service, service.ports[0], {}, handler, RouteStats())

    def match(_request: Request, _namespace: str) -> Route:
        return route

    idle_s = min(clients.idle_timeout_s, ADMIN_IDLE_S)
    recorder = Recorder(clients.reactor.clock)  # pages for probes are not recorded
    return replace(
        clients,
        match=match,
        observer=None,
        failures=None,
        recorder=recorder,
        understands_connect=False,
        idle_timeout_s=idle_s,
    )
