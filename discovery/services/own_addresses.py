"""Leaves out endpoints in the mesh's own address ranges, because a request to one would loop.

An API server accepts such a slice from every user who may write slices in a namespace.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address

from msgspec.structs import replace

from discovery.kubernetes.address_text import plain
from discovery.kubernetes.endpoints import EndpointSlice
from discovery.kubernetes.objects import Ref
from discovery.problem import Problem
from discovery.services.store import Stored
from nodeproxy.mesh.address import Range

Slices = list[Stored[EndpointSlice]]


def without_own_addresses(slices: Slices, ranges: Sequence[Range]) -> tuple[Slices, tuple[Problem, ...]]:
    """The same slices without the endpoints in these ranges, and a problem per slice that had any."""
    cleaned, problems = [], []
    for stored in slices:
        endpoints = stored.object.endpoints or []
        looping = [index for index, each in enumerate(endpoints) if _is_in(each.addresses, ranges, stored.object)]
        if looping:
            message = f"{endpoints[looping[0]].addresses[0]} is an address of the mesh itself; the endpoint is left out"
            subject = str(Ref("EndpointSlice", *stored.object.key.split("/", 1)))
            problems.append(Problem(message, stored.origin, subject, ("endpoints", looping[0])))
            others = [each for index, each in enumerate(endpoints) if index not in looping]
            stored = stored._replace(object=replace(stored.object, endpoints=others))
        cleaned.append(stored)
    return cleaned, tuple(problems)


def _is_in(addresses: Sequence[str], ranges: Sequence[Range], found: EndpointSlice) -> bool:
    return found.address_type != "FQDN" and _lies_in(addresses[0], tuple(ranges))


@lru_cache(maxsize=65536)  # every change of a slice repeats its addresses
def _lies_in(text: str, ranges: tuple[Range, ...]) -> bool:
    address = ip_address(plain(text))
    return any(address in each for each in ranges)
