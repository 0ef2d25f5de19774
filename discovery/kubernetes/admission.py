"""Refuses objects that an API server would refuse, so that a folder of YAML has the same meaning as in a cluster.

Reports all faults of an object at once. Unlike a cluster it accepts endpoints on loopback addresses, for use on a
laptop. Source: Kubernetes, pkg/apis/{core,discovery}/validation.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from discovery.kubernetes.decoding import Fault, KnownObject, Refused, decoded
from discovery.kubernetes.endpoints import Endpoints, EndpointSlice, EndpointSubset, SliceEndpoint, SlicePort
from discovery.kubernetes.services import Service, ServiceSpec
from discovery.problem import Path, shown

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)  # RFC 1123
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_SUBDOMAIN_LIMIT = 253  # RFC 1123 within RFC 1035's 255 octets on the wire

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
_AFFINITIES = ("None", "ClientIP")
_AFFINITY_MOST_S = 86400
_TRAFFIC_POLICIES = ("Cluster", "Local")
_DISTRIBUTIONS = ("PreferSameZone", "PreferSameNode", "PreferClose")
Address = IPv4Address | IPv6Address
_FAMILIES: Mapping[str, type[Address]] = {"IPv4": IPv4Address, "IPv6": IPv6Address}

_IS_LABEL = "expected lower-case letters, digits and '-', at most 63, a letter or digit at both ends"


def accepted(kind: str, value: Mapping[str, Any]) -> KnownObject:
    """The validated object of a known kind in `value`.

    Raises:
        Refused: an API server would refuse it; with all faults.
    """
    found = decoded(kind, value)
    faults = [*_metadata_faults(found), *_own_faults(found)]
    if faults:
        raise Refused(faults)
    return found


def _own_faults(found: KnownObject) -> Iterator[Fault]:
    if isinstance(found, Service):
        return _service_faults(found)
    if isinstance(found, EndpointSlice):
        return _slice_faults(found)
    if isinstance(found, Endpoints):
        return _endpoints_faults(found)
    return iter(())


def _metadata_faults(found: KnownObject) -> Iterator[Fault]:
    name, namespace = found.metadata.name, found.metadata.namespace
    if namespace and not _LABEL.fullmatch(namespace):
        yield Fault(("metadata", "namespace"), f"{_IS_LABEL}, got {shown(namespace)}")
    if isinstance(found, Service):
        if not _LABEL.fullmatch(name):  # a digit may come first since Kubernetes 1.36 (KEP-5311)
            yield Fault(("metadata", "name"), f"{_IS_LABEL}, got {shown(name)}")
    elif len(name) > _SUBDOMAIN_LIMIT or not _SUBDOMAIN.fullmatch(name):
        yield Fault(("metadata", "name"), f"expected lower-case letters, digits, '-' and '.', got {shown(name)}")


def _service_faults(found: Service) -> Iterator[Fault]:
    spec = found.spec
    if spec.type and spec.type not in _SERVICE_TYPES:
        yield Fault(("spec", "type"), f"expected {_one_of(_SERVICE_TYPES)}, got {shown(spec.type)}")
    if spec.cluster_ip not in (None, "", "None") and _address(spec.cluster_ip) is None:
        yield Fault(("spec", "clusterIP"), f"expected an IP address or None, got {shown(spec.cluster_ip)}")
    for name, value, words in (
        ("sessionAffinity", spec.session_affinity, _AFFINITIES),
        ("internalTrafficPolicy", spec.internal_traffic_policy, _TRAFFIC_POLICIES),
        ("trafficDistribution", spec.traffic_distribution, _DISTRIBUTIONS),
    ):
        if value and value not in words:
            yield Fault(("spec", name), f"expected {_one_of(words)}, got {shown(value)}")
    for index, family in enumerate(spec.ip_families or ()):
        if family not in _FAMILIES:
            yield Fault(("spec", "ipFamilies", index), f"expected {_one_of(tuple(_FAMILIES))}, got {shown(family)}")
    yield from _timeout_faults(spec)
    yield from _external_name_faults(spec)
    ports = spec.ports or []
    for index, port in enumerate(ports):
        path: Path = ("spec", "ports", index)
        yield from _number_faults((*path, "port"), port.port)
        yield from _protocol_faults((*path, "protocol"), port.protocol)
        yield from _name_faults((*path, "name"), port.name)
        if not port.name and len(ports) > 1:
            yield Fault((*path, "name"), "required, because the service has more than one port")
    yield from _twice(("spec", "ports"), "name", (port.name for port in ports))
    yield from _twice(("spec", "ports"), "port", ((port.port, port.protocol or "TCP") for port in ports))


def _timeout_faults(spec: ServiceSpec) -> Iterator[Fault]:
    client_ip = spec.session_affinity_config.client_ip if spec.session_affinity_config else None
    timeout_s = client_ip.timeout_seconds if client_ip else None
    if timeout_s is not None and not 0 < timeout_s <= _AFFINITY_MOST_S:
        path = ("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        yield Fault(path, f"expected 1 to {_AFFINITY_MOST_S}, got {shown(timeout_s)}")


def _external_name_faults(spec: ServiceSpec) -> Iterator[Fault]:
    if spec.type != "ExternalName":
        return
    name = (spec.external_name or "").removesuffix(".")
    if len(name) > _SUBDOMAIN_LIMIT or not _SUBDOMAIN.fullmatch(name):
        message = "expected a DNS name in lower case without a scheme or port"
        yield Fault(("spec", "externalName"), f"{message}, got {shown(spec.external_name)}")
    elif _address(name) is not None:
        message = "expected a DNS name; for an address write a Service without selector and an EndpointSlice"
        yield Fault(("spec", "externalName"), f"{message}, got {shown(spec.external_name)}")


def _slice_faults(found: EndpointSlice) -> Iterator[Fault]:
    if found.address_type not in (*_FAMILIES, "FQDN"):
        yield Fault(("addressType",), f"expected IPv4, IPv6 or FQDN, got {shown(found.address_type)}")
    yield from _slice_port_faults(("ports",), found.ports or [])
    for index, endpoint in enumerate(found.endpoints or []):
        yield from _endpoint_faults(("endpoints", index, "addresses"), endpoint, found.address_type)


def _slice_port_faults(path: Path, ports: Sequence[SlicePort]) -> Iterator[Fault]:
    for index, port in enumerate(ports):
        if port.port is not None:
            yield from _number_faults((*path, index, "port"), port.port)
        yield from _protocol_faults((*path, index, "protocol"), port.protocol)
        yield from _name_faults((*path, index, "name"), port.name)
    yield from _twice(path, "name", (port.name or "" for port in ports), empty_counts=True)


def _endpoints_faults(found: Endpoints) -> Iterator[Fault]:
    for index, subset in enumerate(found.subsets or []):
        yield from _subset_faults(("subsets", index), subset)


def _subset_faults(path: Path, subset: EndpointSubset) -> Iterator[Fault]:
    for field, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
        for index, each in enumerate(addresses or []):
            yield from _host_faults((*path, field, index, "ip"), each.ip, (IPv4Address, IPv6Address), "IP")
    yield from _slice_port_faults((*path, "ports"), subset.ports or [])


def _endpoint_faults(path: Path, endpoint: SliceEndpoint, address_type: str) -> Iterator[Fault]:
    if not endpoint.addresses:
        yield Fault(path, "expected at least one address, got []")
    family = _FAMILIES.get(address_type)
    if family is None:
        return
    for index, text in enumerate(endpoint.addresses):
        yield from _host_faults((*path, index), text, (family,), address_type)


def _host_faults(path: Path, text: str, families: tuple[type[Address], ...], family: str) -> Iterator[Fault]:
    """The faults of an endpoint's address, which has to be of one of these families."""
    address = _address(text)
    if not isinstance(address, families):
        yield Fault(path, f"expected an {family} address, got {shown(text)}")
    elif address.is_unspecified or address.is_multicast or address.is_link_local:
        yield Fault(path, f"expected an address of one pod or host, got {shown(text)}")


def _number_faults(path: Path, number: int) -> Iterator[Fault]:
    if not 0 < number < 65536:
        yield Fault(path, f"expected 1 to 65535, got {shown(number)}")


def _protocol_faults(path: Path, protocol: str | None) -> Iterator[Fault]:
    if protocol and protocol not in _PROTOCOLS:
        yield Fault(path, f"expected {_one_of(_PROTOCOLS)}, got {shown(protocol)}")


def _name_faults(path: Path, name: str | None) -> Iterator[Fault]:
    if name and not _LABEL.fullmatch(name):
        yield Fault(path, f"{_IS_LABEL}, got {shown(name)}")


def _twice(path: Path, field: str, values: Iterable[object], *, empty_counts: bool = False) -> Iterator[Fault]:
    seen: set[object] = set()
    for index, value in enumerate(values):
        if value in seen and (value or empty_counts):
            yield Fault((*path, index, field), f"another port has it too, got {shown(value)}")
        seen.add(value)


@lru_cache(maxsize=65536)  # every change of a slice repeats its addresses
def _address(text: str) -> Address | None:
    """The address in `text`; a zone ("%eth0") is valid on one host only and is refused."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _one_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
