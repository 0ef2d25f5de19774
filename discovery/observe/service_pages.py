"""The pages of one service, as JSON: its endpoints in every worker, and what is in force for it."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from discovery.observe.explain import LAST_GOOD, layers_in_force, origins_of, policies_in_force, port_explained
from discovery.observe.explain_request import NAMES, NotAsked, request_explained, supposed
from discovery.observe.lookup import NotFound, service_asked
from discovery.observe.pages import JSON
from discovery.observe.server import Asked, Page
from discovery.policies.layers import Written
from discovery.problem import printable
from discovery.rollouts.rollouts import described
from discovery.services.catalogue import Catalogue
from discovery.sources.external.slices import ports_of
from discovery.workers.publish import Publisher
from discovery.workers.questions import ANSWER_S, Answered
from discovery.workers.reports import Reports
from nodeproxy.mesh.model import Endpoint as Known
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.questions import Endpoints, EndpointsOf, EndpointState, Subscriptions, SubscriptionsNow
from nodeproxy.mesh.reports import PortKey
from nodeproxy.mesh.service_view import (
    EndpointsView,
    EndpointView,
    Explained,
    InWorker,
    PortEndpointsView,
    RefusedView,
    RequestView,
)
from nodeproxy.mesh.subscriptions import FORGET_S

NOT_SUBSCRIBED = "not subscribed: this node follows endpoints on demand, and no request has asked for the service"


class EndpointsPage:
    """/endpoints?service=…: asks all workers."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def __call__(self, asked: Asked) -> Page:
        """The page, an `EndpointsView`; 503 if no worker is connected, 504 if none answers."""
        try:
            service, number = await service_asked(asked, self._publisher.services)
        except NotFound as error:
            return error.page
        answered = await self._publisher.ask(EndpointsOf(service.key, number))
        if not answered.answers:
            return none_answered(answered)
        reports = self._publisher.reports
        ports = [port for port in service.ports if number in (0, port.number)]
        view = EndpointsView(
            service.namespace,
            service.name,
            not service.unsubscribed,
            tuple(port_view(service, port, answered, reports) for port in ports),
            tuple(sorted(answered.answers)),
            answered.silent,
        )
        return Page(200, msgspec.json.encode(view) + b"\n", JSON)


class ExplainPage:
    """/explain?service=…: policies and where they are written, subscription, what is refused."""

    def __init__(self, publisher: Publisher, catalogue: Catalogue) -> None:
        self._publisher = publisher
        self._catalogue = catalogue

    async def __call__(self, asked: Asked) -> Page:
        """The page, an `Explained`."""
        try:
            service, number = await service_asked(asked, self._publisher.services)
        except NotFound as error:
            return error.page
        # what the catalogue has is in force only once the source is in sync
        written = () if self._publisher.restored else self._catalogue.policies.written_for(service.key)
        origins = {} if self._publisher.restored else self._origins(service)
        try:
            request = self._request(asked, service, written)
        except NotAsked as error:
            return Page(400, f"{printable(str(error))}\n".encode())
        explained = Explained(
            service.namespace,
            service.name,
            service.virtual_address,
            not service.unsubscribed,
            await self._subscription(service),
            tuple(
                port_explained(service, port, origins.get(port.key, LAST_GOOD))
                for port in service.ports
                if number in (0, port.number)
            ),
            policies_in_force(_newest(service), written, service.ports, self._catalogue.registry),
            layers_in_force(written),
            tuple(refused_views(self._catalogue, service.key)),
            tuple(map(str, (*self._catalogue.problems_of(service.key), *self._catalogue.warnings_of(service.key)))),
            request,
            _rollout(service),
        )
        return Page(200, msgspec.json.encode(explained) + b"\n", JSON)

    def _request(self, asked: Asked, service: Service, written: Sequence[Written]) -> RequestView | None:
        if not any(name in asked.query for name in NAMES):
            return None
        return request_explained(
            *supposed(asked.query, self._publisher.callers), service, written, self._catalogue.registry
        )

    def _origins(self, service: Service) -> dict[str, str]:
        stored = self._catalogue.store.services.get(service.key)
        return origins_of(ports_of(stored.object), service.policies) if stored is not None else {}

    async def _subscription(self, service: Service) -> str:
        if self._publisher.restored:
            return "the last good state on disk: the source has not been in sync since the start"
        if not self._publisher.on_demand:
            return "all endpoints are followed: the source is a folder, or on_demand is off"
        answered = await self._publisher.ask(SubscriptionsNow(service.key))
        ages = [
            f"worker {worker} for {each.since_s:.0f} s, last seen in use {each.unused_s:.0f} s ago"
            for worker, answer in sorted(answered.answers.items())
            if isinstance(answer, Subscriptions)
            for each in answer.subscriptions
        ]
        silent = "".join(f"; worker {number} did not answer within {ANSWER_S:g} s" for number in answered.silent)
        if not ages:
            ending = "subscribed, but no worker needs it any more: it ends within seconds"
            return (f"{NOT_SUBSCRIBED} for {FORGET_S / 60:.0f} minutes" if service.unsubscribed else ending) + silent
        state = "subscribed, its endpoints have not arrived yet; see `nodeproxy status`" if service.unsubscribed else ""
        return "; ".join(filter(None, (state, *ages))) + silent


def refused_views(catalogue: Catalogue, key: str) -> Iterator[RefusedView]:
    """What is refused of the ConfigMaps that would apply to the service with this key, and what is in force instead."""
    in_force = {(each.ref, each.key) for each in catalogue.policies.written_for(key)}
    for ref, problem in catalogue.refused_maps(key):
        stays = any(ref == other and problem.path[-1] in ("data", name) for other, name in in_force)
        instead = "its last valid version is in force" if stays else "nothing of it is in force"
        yield RefusedView(f"{ref.namespace}/{ref.name}" if ref.kind == "ConfigMap" else str(ref), str(problem), instead)


def _newest(service: Service) -> dict[str, Any]:
    """Its policies as they are written, also where they are on trial."""
    return service.policies if service.trial is None else service.trial.policies


def _rollout(service: Service) -> str:
    if service.trial is None:
        return ""
    return (
        f"the policies below are a changed table, {described(service.trial)}; the last good one is in force beside it"
    )


def none_answered(answered: Answered) -> Page:
    """The page when no worker has answered."""
    if not answered.silent:
        return Page(503, b"no worker is connected; `nodeproxy status` shows them\n")
    names = ", ".join(f"worker {number}" for number in answered.silent)
    text = f"{names} did not answer within {ANSWER_S:g} s; `nodeproxy status` shows when each has reported last\n"
    return Page(504, text.encode())


def port_view(service: Service, port: Port, answered: Answered, reports: Reports) -> PortEndpointsView:
    """One service port: its endpoints in the workers that have answered."""
    states: dict[tuple[str, int], dict[int, EndpointState]] = {}
    left_out = 0
    for worker, answer in sorted(answered.answers.items()):
        for each in answer.ports if isinstance(answer, Endpoints) else ():
            if each.port == port.key:
                left_out = max(left_out, each.left_out)
                for state in each.endpoints:
                    states.setdefault((state.address, state.port), {})[worker] = state
    known = {(each.address, each.port): each for each in port.endpoints}
    endpoints = (_endpoint(known.get(address, Known(*address)), found) for address, found in sorted(states.items()))
    note = "" if states else NOT_SUBSCRIBED if service.unsubscribed else port_explained(service, port).note
    key = PortKey(service.namespace, service.name, port.key)
    requests, connections = reports.requests_of(key), reports.connections_of(key)
    return PortEndpointsView(port.key, requests, tuple(endpoints), left_out, note, connections)


def _endpoint(known: Known, found: dict[int, EndpointState]) -> EndpointView:
    host, port = known.address, known.port
    workers = tuple(
        InWorker(
            worker,
            state.usable,
            round(state.ejected_s, 3),
            state.ejections,
            state.unhealthy,
            state.active,
            state.idle,
            state.why,
            state.errors,
            None if state.success_rate is None else round(state.success_rate, 4),
            round(state.weight, 3),
            None if state.latency_s is None else round(state.latency_s, 6),
        )
        for worker, state in found.items()
    )
    return EndpointView(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        known.node,
        known.zone,
        max(state.distance for state in found.values()),
        all(each.usable for each in workers),
        sum(each.active for each in workers),
        sum(each.idle for each in workers),
        workers,
        known.subsets,
    )
