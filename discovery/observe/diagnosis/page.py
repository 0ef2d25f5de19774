"""/diagnose?service=…&from=…: what this node has for a name, for `nodeproxy diagnose` to judge."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from discovery.observe.diagnosis.callers import NoCaller, caller_facts, caller_meant
from discovery.observe.diagnosis.ports import NoPort, port_facts, port_meant
from discovery.observe.lookup import NotFound, service_asked
from discovery.observe.pages import JSON
from discovery.observe.server import Asked, Page
from discovery.observe.service_pages import port_view, refused_views
from discovery.services.catalogue import Catalogue
from discovery.services.destinations import Places, aims_of
from discovery.workers.publish import Publisher
from nodeproxy.mesh.diagnosis import CallerFacts, Facts
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.names import named
from nodeproxy.mesh.questions import Endpoints, EndpointsOf
from nodeproxy.mesh.reports import PortKey
from nodeproxy.policies.table import settings_of
from nodeproxy.policies.table_faults import place_text

CLUSTER_DNS = ("kube-system/kube-dns", "kube-system/coredns", "kube-system/rke2-coredns-rke2-coredns")
"""Services of the cluster DNS: what kubeadm, the clouds and k3s call it, a chart's own name, RKE2."""
NAMESPACES_NAMED = 5


class DiagnosePage:
    """Reads the mesh in force and the objects it is made of; asks the workers for their endpoints."""

    def __init__(self, publisher: Publisher, catalogue: Catalogue) -> None:
        self._publisher = publisher
        self._catalogue = catalogue

    async def __call__(self, asked: Asked) -> Page:
        """The page, `Facts`. A name that means no service is a finding, not an error."""
        facts = msgspec.structs.replace(await self._facts(asked), cluster_dns=self._cluster_dns())
        return Page(200, msgspec.json.encode(facts) + b"\n", JSON)

    async def _facts(self, asked: Asked) -> Facts:
        node = self._node()
        try:
            service, number = await service_asked(Asked({"service": asked.query.get("service", "")}), self._services)
            port = port_meant(service, number)
        except NotFound as error:
            problem, cure = self._unknown(asked.query.get("service", ""), error.page.body.decode().strip())
            return msgspec.structs.replace(node, problem=problem, cure=cure)
        except NoPort as error:
            return msgspec.structs.replace(node, problem=str(error), cure=error.cure)
        return await self._of_service(node, service, port, asked.query.get("from", ""))

    @property
    def _services(self) -> Mapping[str, Service]:
        return self._publisher.services

    def _node(self) -> Facts:
        numbers = self._publisher.reports.numbers()
        missing = [life.process.state.listeners_missing for life in numbers.workers if life.process is not None]
        return Facts(
            restored=self._publisher.restored,
            watch_errors=tuple(f"{each.what}: {each.error}" for each in self._publisher.watches if each.error),
            workers=self._publisher.workers,
            silent=(),
            listeners_missing=max(missing, default=0),
        )

    def _unknown(self, text: str, problem: str) -> tuple[str, str]:
        name = named(text)
        spaces = {key.partition("/")[0] for key in self._services}
        if name is not None and name.namespace and name.namespace not in spaces:
            have = ", ".join(sorted(spaces)[:NAMESPACES_NAMED]) or "none"
            return (
                f"there is no namespace {name.namespace} with a service in it; {problem.partition('; ')[2]}".rstrip(
                    "; "
                ),
                f"check the namespace; there are {have}",
            )
        if name is not None and name.key in self._services:
            return problem, "call one of these, or add it to the Service"
        return problem, "check the spelling, and that the Service exists: kubectl get services -A"

    async def _of_service(self, node: Facts, service: Service, port: Port, caller: str) -> Facts:
        publisher, store = self._publisher, self._catalogue.store
        answered = await publisher.ask(EndpointsOf(service.key, port.number))
        tables = [answer.ports for answer in answered.answers.values() if isinstance(answer, Endpoints)]
        in_table = all(any(each.port == port.key for each in ports) for ports in tables)
        slices = [stored.object for stored in store.slices_of(service.key)]
        seen = port_view(service, port, answered, publisher.reports).endpoints, in_table
        found, problem = self._caller(caller, service, port)
        trial = service.trial
        return msgspec.structs.replace(
            node,
            silent=answered.silent,
            namespace=service.namespace,
            service=service.name,
            virtual_address=service.virtual_address,
            subscribed=not service.unsubscribed,
            slices=len(slices),
            only_local=service.only_local,
            port=port_facts(service, port, port.name, slices, seen),
            refused=() if publisher.restored else tuple(refused_views(self._catalogue, service.key)),
            returned=trial.returned if trial is not None else "",
            wrong_targets=tuple(self._wrong_targets(service)),
            caller=found,
            caller_problem=problem,
        )

    def _caller(self, text: str, service: Service, port: Port) -> tuple[CallerFacts | None, str]:
        if not text:
            return None, ""
        try:
            caller = caller_meant(text, self._publisher.callers)
        except NoCaller as error:
            return None, str(error)
        key = PortKey(service.namespace, service.name, port.key)
        counters = self._publisher.reports.counters_of([key])
        limits: Any = settings_of(service.policies, self._catalogue.registry).get("rateLimit")
        return caller_facts(caller, counters, limits), ""

    def _wrong_targets(self, service: Service) -> Iterator[str]:
        places = Places(self._services)
        for aim in aims_of(settings_of(service.policies, self._catalogue.registry)):
            yield from (f"{place_text((*aim.path, field))}: {text}" for field, text in places.wrong(aim, service))

    def _cluster_dns(self) -> str:
        for key in CLUSTER_DNS:
            stored = self._catalogue.store.services.get(key)
            if stored is not None and stored.object.spec.cluster_ip not in (None, "", "None"):
                address, ports = stored.object.spec.cluster_ip, stored.object.spec.ports or ()
                number = next((each.port for each in ports if each.protocol == "UDP"), 53)
                return f"[{address}]:{number}" if ":" in str(address) else f"{address}:{number}"
        return ""
