"""The DNS zones of the mesh: from a query to its response, without sockets.

A service with a served port has an address record with its virtual address, if it has one; each served port with a
name, of TCP or UDP, then has an SRV record. A pod with a host name has an address record with the pod's address.
Source: RFC 1035, 2308 (negative answers), 2782 (SRV), 6891 (EDNS), 8482 (ANY), 8020 (a name above an existing one
exists).

The setting `also_zones` adds zones with the same records, for names with a namespace.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from dns.rdatatype import RdataType

from nodeproxy.mesh import names
from nodeproxy.table.table import NoTable, Route, Table

TTL_S = 5  # as CoreDNS for services; a mesh address does not change while its service exists
PAYLOAD_BYTES = 1232  # fits any path without fragments (DNS flag day 2020)
ZONE = dns.name.from_text(names.ZONE)
_ADDRESS_TYPE = {4: RdataType.A, 6: RdataType.AAAA}


class NotKnownYet(Exception):
    """The response depends on endpoints that discovery has not sent yet."""


Records = list[dns.rdataset.Rdataset]
"""Each has one record: a response that is truncated has as many of them as fit."""


def respond(query: dns.message.Message, table: Table) -> dns.message.Message:
    """The response to `query` according to `table`."""
    response = dns.message.make_response(query, our_payload=PAYLOAD_BYTES)
    if query.edns > 0:
        response.set_rcode(dns.rcode.BADVERS)
    elif isinstance(table, NoTable):
        response.set_rcode(dns.rcode.SERVFAIL)  # no table yet: neither a name nor its absence is certain
    elif query.opcode() != dns.opcode.QUERY:
        response.set_rcode(dns.rcode.NOTIMP)
    elif len(query.question) != 1:
        response.set_rcode(dns.rcode.FORMERR)
    else:
        asked = query.question[0]
        zone = _zone_of(asked.name, table.also_zones)
        if asked.rdclass != dns.rdataclass.IN or zone is None:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            _answer(response, zone, RdataType(asked.rdtype), table)
    return response


def service_of(query: dns.message.Message, also_zones: tuple[str, ...] = ()) -> str:
    """The key of the queried service, "" if the name is not that of a service."""
    name = _mesh_name(query, also_zones)
    return name.key if name is not None and name.namespace else ""


def needs_endpoints(query: dns.message.Message, also_zones: tuple[str, ...] = ()) -> bool:
    """Whether the response depends on the service's endpoints, as the address of a pod does."""
    name = _mesh_name(query, also_zones)
    return name is not None and bool(name.pod)


def _mesh_name(query: dns.message.Message, also_zones: tuple[str, ...]) -> names.MeshName | None:
    if len(query.question) != 1 or _zone_of(query.question[0].name, also_zones) is None:
        return None
    return names.parse(query.question[0].name.to_text().encode(), "", also_zones=also_zones)


@lru_cache(maxsize=8)  # a process has one setting
def _zones(also_zones: tuple[str, ...]) -> tuple[dns.name.Name, ...]:
    """All zones, the longest name first: `traefik.mesh` is inside `mesh`."""
    return tuple(sorted((ZONE, *map(dns.name.from_text, also_zones)), key=len, reverse=True))


def _zone_of(name: dns.name.Name, also_zones: tuple[str, ...]) -> dns.name.Name | None:
    """The zone that a name is in, None if it is in none."""
    return next((zone for zone in _zones(also_zones) if name.is_subdomain(zone)), None)


def _soa(zone: dns.name.Name) -> dns.rdataset.Rdataset:
    return _record(RdataType.SOA, f"ns.{zone} nodeproxy.{zone} 1 7200 1800 86400 {TTL_S}")


@lru_cache(maxsize=1024)  # of 700 bytes; to read one takes 25 us, and a name may be that of hundreds of pods
def _record(kind: RdataType, text: str) -> dns.rdataset.Rdataset:
    return dns.rdataset.from_text(dns.rdataclass.IN, kind, TTL_S, text)


@lru_cache(maxsize=1024)
def _address(text: str) -> dns.rdataset.Rdataset:
    return _record(_ADDRESS_TYPE[ip_address(text).version], text)


def _owned(name: dns.name.Name, record: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    """`record` as that of `name`. What it contains is shared, because a copy is read and hashed anew."""
    owned = dns.rrset.RRset(name, record.rdclass, record.rdtype)
    owned.ttl, owned.items = record.ttl, record.items
    return owned


def _answer(response: dns.message.Message, zone: dns.name.Name, kind: RdataType, table: Table) -> None:
    response.flags |= dns.flags.AA
    name = response.question[0].name
    try:
        records = _records(name, zone, table)
    except NotKnownYet:
        response.set_rcode(dns.rcode.SERVFAIL)  # the resolver retries
        return
    if records is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
    for record in records or ():
        if kind in (record.rdtype, RdataType.ANY):
            response.answer.append(_owned(name, record))
    if not response.answer:
        response.authority.append(_owned(zone, _soa(zone)))


def _records(name: dns.name.Name, zone: dns.name.Name, table: Table) -> Records | None:
    """All records of a name, empty for a name that only has names below it; None if the name does not exist."""
    if name == zone:
        return [_soa(zone), _record(RdataType.NS, f"ns.{zone}")]
    labels = [label.decode("ascii", "replace").lower() for label in name.relativize(zone).labels]
    if labels[0].startswith("_"):
        return _of_port(labels, zone, table)
    asked = ".".join([*labels, zone.to_text()]).encode()
    mesh_name = names.parse(asked, table.own_namespace, also_zones=table.also_zones)
    routes = table.routes.get(mesh_name.key) if mesh_name is not None else None
    if mesh_name is None or routes is None:
        is_namespace = len(labels) == 1 and any(key.startswith(f"{labels[0]}/") for key in table.routes)
        return [] if is_namespace else None
    if mesh_name.pod:
        if any(route.service.unsubscribed for route in routes.values()):
            raise NotKnownYet
        return _of_pod(mesh_name.pod, routes.values())
    # A service without a served port has no listener: without a record the client fails at once. The same holds for a
    # service whose address belongs to another service.
    address = next((route.service.virtual_address for route in routes.values() if route.port.served), "")
    return [_address(address)] if address else []


def _of_port(labels: list[str], zone: dns.name.Name, table: Table) -> Records | None:
    """SRV records of `_port._transport.service.namespace`; `_transport.service.namespace` only has names below it.

    The name of a port without a listener exists without a record: one that is not served, or of a service that has no
    virtual address.
    """
    spread = labels[1:] if len(labels) == 4 and labels[1].startswith("_") else labels
    if len(spread) != 3 or not spread[0].startswith("_"):
        return None
    routes = table.routes.get(f"{spread[2]}/{spread[1]}", {})
    found = [route for route in routes.values() if route.port.transport == spread[0][1:]]
    if spread is not labels:
        found = [route for route in found if route.port.name == labels[0][1:]]
    if spread is labels or not found:
        return [] if found else None
    target = f"{spread[1]}.{spread[2]}.{zone}"
    listening = [route.port.number for route in found if route.port.served and route.service.virtual_address]
    return [_record(RdataType.SRV, f"0 100 {number} {target}") for number in listening]


def _of_pod(pod: str, routes: Iterable[Route]) -> Records | None:
    addresses = {endpoint.address for route in routes for endpoint in route.port.endpoints if endpoint.hostname == pod}
    return [_address(address) for address in sorted(addresses)] or None
