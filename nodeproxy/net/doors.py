"""Which addresses a worker listens on: its own, and the virtual ones of the services in the table."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from nodeproxy.mesh.model import port_key
from nodeproxy.net.connection import Entrance
from nodeproxy.net.kept import Kept
from nodeproxy.net.listener import Door, Listener, bound
from nodeproxy.net.reactor import Reactor
from nodeproxy.table import Route, Table

PURPOSE = "door"  # of these sockets, among all that are kept
Address = tuple[str, int]
log = logging.getLogger(__name__)


class VirtualDoors:
    """One listener per HTTP service port that has a virtual address, kept in step with the table.

    Who comes in there means that service, whatever Host it sends. An address that cannot be bound is told once and
    tried again at the next change of the table. One that goes from a service to another is the other's as soon as the
    table says so, whether or not it has said yet that it is the first one's no more.
    """

    def __init__(
        self, reactor: Reactor, door: Door, entrance: Entrance, kept: Kept, table: Callable[[], Table]
    ) -> None:
        self._reactor = reactor
        self._kept = kept
        self._door = door
        self._entrance = entrance
        self._table = table
        self._listeners: dict[Address, Listener] = {}
        self._owner: dict[Address, str] = {}
        self._of: dict[str, set[Address]] = {}
        self._failed: dict[Address, str] = {}

    def follow(self, *keys: str) -> None:
        """Open and close listeners as the table in force says of the services with these keys; of all without any."""
        routes, over = self._table().routes, set[Address]()
        for key in {*(keys or (*routes, *self._of)), *self._failed.values()}:
            over |= self._follow(key, routes.get(key, {}))
        over -= self._listeners.keys()  # opened anew: its new socket is kept, and takes the old one's place
        self._kept.closed(*((PURPOSE, *address) for address in over), *self._kept.left(PURPOSE))
        self._kept.flush()

    def close(self) -> None:
        """Close all of them."""
        for listener in self._listeners.values():
            listener.close()
        for each in (self._listeners, self._owner, self._of):
            each.clear()

    def _follow(self, key: str, routes: Mapping[str, Route]) -> set[Address]:
        """Do so for one service; gives the addresses that it has no more."""
        wanted = {
            (route.service.virtual_address, route.port.number)
            for route in routes.values()
            if route.service.virtual_address and route.port.served
        }
        for address in [address for address, owner in self._failed.items() if owner == key and address not in wanted]:
            del self._failed[address]
        over = self._of.get(key, set()) - wanted
        for address in over:
            self._listeners.pop(address).close()
            self._disown(address)
        for address in wanted - self._of.get(key, set()):
            if address in self._listeners:
                self._disown(address)  # its clients come in at the same socket
            elif not self._open(address, key):
                continue
            self._owner[address] = key
            self._of.setdefault(key, set()).add(address)
        return over

    def _disown(self, address: Address) -> None:
        key = self._owner.pop(address)
        self._of[key].discard(address)
        if not self._of[key]:
            del self._of[key]

    def _open(self, address: Address, key: str) -> bool:
        try:
            sock = self._kept.opened((PURPOSE, *address), lambda: bound(address))
        except OSError as error:
            if address not in self._failed:
                log.warning(
                    "virtual address not served", extra={"address": address, "service": key, "error": str(error)}
                )
            self._failed[address] = key
            return False
        self._failed.pop(address, None)

        port = port_key(address[1])

        def match(_head: object, _namespace: str) -> Route:
            return self._table().at(self._owner.get(address, key), port)

        entrance = replace(self._entrance, match=match, understands_connect=False)
        self._listeners[address] = Listener(self._door, self._reactor, sock, entrance)
        return True
