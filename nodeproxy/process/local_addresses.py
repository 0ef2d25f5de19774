"""Makes the mesh's addresses local to the node: the listener address, and the ranges of virtual addresses.

One route makes a range local (`ip route add local RANGE dev lo`, "AnyIP"), without iptables or conntrack, and a
connection keeps its destination address. Addresses in 127/8 are local already. Source: ip-route(8), type local.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EEXIST, EPERM
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from pyroute2 import IPRoute, NetlinkError

Address = IPv4Address | IPv6Address
Range = IPv4Network | IPv6Network
LOCAL_TABLE = 255
_FAMILY = {4: 2, 6: 10}  # AF_INET, AF_INET6


class CannotSetUp(Exception):
    """The node's network cannot be configured; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that must be local to this node."""

    own: Address
    ranges: tuple[Range, ...]

    @property
    def missing_by_nature(self) -> "Addresses":
        """The part that is not loopback, which Linux has as local already."""
        return Addresses(self.own, tuple(each for each in self.ranges if not each.is_loopback))


def addresses_of(listen_host: str, *ranges: str) -> Addresses:
    """The addresses that these settings require."""
    return Addresses(ip_address(listen_host), tuple(ip_network(each) for each in ranges))


def up(wanted: Addresses) -> None:
    """Make the addresses local. Existing ones are left unchanged.

    Raises:
        CannotSetUp: a permission is missing, or a route of the node overlaps a range.
    """
    with _netlink() as (netlink, loopback):
        for each in wanted.missing_by_nature.ranges:
            other = _other_use(netlink, each)
            if other:
                raise CannotSetUp(f"{each} overlaps the node's route {other}; set another range")
        if not wanted.own.is_loopback:
            _unless_there(netlink.addr, "add", index=loopback, address=str(wanted.own), prefixlen=_bits(wanted.own))
        for each in wanted.missing_by_nature.ranges:
            _unless_there(netlink.route, "add", **_route(each, loopback))


def down(wanted: Addresses) -> None:
    """Remove the addresses. A missing one is not an error.

    Raises:
        CannotSetUp: a permission is missing.
    """
    present = status(wanted)
    with _netlink() as (netlink, loopback):
        for each in wanted.missing_by_nature.ranges:
            if present[str(each)]:
                netlink.route("del", **_route(each, loopback))
        if not wanted.own.is_loopback and present[str(wanted.own)]:
            netlink.addr("del", index=loopback, address=str(wanted.own), prefixlen=_bits(wanted.own))


def status(wanted: Addresses) -> dict[str, bool]:
    """Whether each of the addresses is local."""
    with _netlink() as (netlink, _loopback):
        own = {str(message.get("address")) for message in netlink.get_addr()}
        local = set(_routes(netlink, own_table=True))
    found = {str(wanted.own): wanted.own.is_loopback or str(wanted.own) in own}
    return found | {str(each): each.is_loopback or each in local for each in wanted.ranges}


@contextmanager
def _netlink() -> Iterator[tuple[Any, int]]:
    """A netlink socket, and the index of the loopback interface."""
    try:
        with IPRoute() as netlink:
            yield netlink, netlink.link_lookup(ifname="lo")[0]
    except NetlinkError as error:
        if error.code in (EPERM, EACCES):
            raise CannotSetUp("the capability NET_ADMIN is missing; only the init container has it") from error
        raise CannotSetUp(f"the kernel rejected the change: {error}") from error


def _unless_there(call: Any, *words: str, **fields: Any) -> None:  # noqa: ANN401  pyroute2's own
    try:
        call(*words, **fields)
    except NetlinkError as error:
        if error.code != EEXIST:
            raise


def _route(each: Range, loopback: int) -> dict[str, Any]:
    return {
        "dst": str(each), "oif": loopback, "type": "local", "table": LOCAL_TABLE, "scope": "host",
        "family": _FAMILY[each.version],
    }  # fmt: skip


def _routes(netlink: Any, *, own_table: bool) -> Iterator[Range]:  # noqa: ANN401  pyroute2's own
    """The destinations of routes: those in the local table, or all others."""
    for message in netlink.get_routes():
        dst = message.get("dst")
        if dst and (message.get("table") == LOCAL_TABLE) == own_table:
            yield ip_network(f"{dst}/{message['dst_len']}")


def _other_use(netlink: Any, wanted: Range) -> Range | None:  # noqa: ANN401  pyroute2's own
    """A route of the node, other than the default one, that overlaps the range and would lose traffic to it."""
    for found in _routes(netlink, own_table=False):
        if found.prefixlen and found.version == wanted.version and found.overlaps(wanted):
            return found
    return None


def _bits(address: Address) -> int:
    return address.max_prefixlen
