"""Which addresses a worker listens on: its own, and the virtual ones of the services in the table."""

import logging
from collections.abc import Callable
from dataclasses import replace

from nodeproxy.net.connection import Entrance
from nodeproxy.net.kept import Kept
from nodeproxy.net.listener import Door, Listener, bound
from nodeproxy.net.reactor import Reactor
from nodeproxy.table import Route, Table

PURPOSE = "door"  # of these sockets, among all that are kept
log = logging.getLogger(__name__)


class VirtualDoors:
    """One listener per HTTP service port that has a virtual address, kept in step with the table.

    Who comes in there means that service, whatever Host it sends. An address that cannot be bound is told once and
    tried again at the next change of the table.
    """

    def __init__(
        self, reactor: Reactor, door: Door, entrance: Entrance, kept: Kept, table: Callable[[], Table]
    ) -> None:
        self._reactor = reactor
        self._kept = kept
        self._door = door
        self._entrance = entrance
        self._table = table
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._failed: set[tuple[str, int]] = set()

    def follow(self) -> None:
        """Open and close listeners as the table in force says."""
        wanted = {
            (route.service.virtual_address, route.port.number): (route.service.key, route.port.number)
            for route in self._table()
            if route.service.virtual_address and route.port.protocol == "http"
        }
        over = self._listeners.keys() - wanted.keys()
        for address in over:
            self._listeners.pop(address).close()
        for address in wanted.keys() - self._listeners.keys():
            self._open(address, *wanted[address])
        self._kept.closed(*((PURPOSE, *address) for address in over), *self._kept.left(PURPOSE))
        self._kept.flush()

    def close(self) -> None:
        """Close all of them."""
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    def _open(self, address: tuple[str, int], key: str, port: int) -> None:
        try:
            sock = self._kept.opened((PURPOSE, *address), lambda: bound(address))
        except OSError as error:
            if address not in self._failed:
                self._failed.add(address)
                log.warning(
                    "virtual address not served", extra={"address": address, "service": key, "error": str(error)}
                )
            return
        self._failed.discard(address)

        def match(_head: object, _namespace: str) -> Route:
            return self._table().at(key, port)

        self._listeners[address] = Listener(self._door, self._reactor, sock, replace(self._entrance, match=match))
