"""Virtual listeners: a worker's listeners on the virtual addresses of the services in the table."""

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from nodeproxy.downstream.connection import Accept, DownstreamConnection
from nodeproxy.downstream.connections import Connections
from nodeproxy.downstream.context import ConnectionContext
from nodeproxy.downstream.listener import Listener, bound
from nodeproxy.downstream.udp_listener import UdpListener
from nodeproxy.downstream.unserved import Address, Unserved
from nodeproxy.io.capacity import Capacity, is_shortage
from nodeproxy.io.channel import SocketChannel
from nodeproxy.io.datagrams import bound_datagrams
from nodeproxy.io.handover import HeldSockets, Key
from nodeproxy.mesh.model import PortProtocol, Transport, port_key
from nodeproxy.table.table import Route, Table

PURPOSES: Mapping[Transport, str] = {"tcp": "connections", "udp": "datagrams"}  # of held sockets; all that is served
RETRY_S = 5.0  # before binding a failed address again, if the table does not change
Listening = TypeVar("Listening")
log = logging.getLogger(__name__)


class VirtualListener(Protocol):
    """What listens at one port of a virtual address."""

    def close(self) -> None:
        """Take nothing new; clients that it has go on. Idempotent."""
        ...

    def reassigned(self) -> None:
        """The address belongs to a different service from now on."""
        ...


class VirtualListeners:
    """One listener per service port that has a virtual address, held in step with the table.

    What arrives there is for that service, whatever a Host field says. TCP and UDP are alike here: they differ in what
    listens. An address that cannot be bound is logged once and tried again at the next change of the table and every
    RETRY_S; one for which no descriptor is left, when a listener closes. The descriptors of listeners count against
    the clients': `connections.most` shrinks with their number. An address that moves between services belongs to the
    new one as soon as the table has it there, even before the table has removed it from the old one.
    """

    def __init__(
        self,
        connections: Connections,
        context: ConnectionContext,
        held: HeldSockets,
        table: Callable[[], Table],
        capacity: Capacity,
        accepts: Mapping[PortProtocol, Accept],
    ) -> None:
        """`accepts` makes the connections of clients of ports with these protocols, and `context` all others."""
        self._accepts = accepts
        self._reactor = context.reactor
        self._capacity = capacity
        self._held = held
        self._connections = connections
        self._context = context
        self._table = table
        self._openers: Mapping[Transport, Callable[[Address, str], VirtualListener]] = {
            "tcp": self._listener,
            "udp": self._datagrams,
        }
        self._listeners: dict[Address, VirtualListener] = {}
        self._udp = 0  # of them, those for datagrams
        self._owner: dict[Address, str] = {}
        self._protocol: dict[Address, PortProtocol] = {}
        """Of each listener's port, also while the table has it no more: see `_listener`."""
        self._of: dict[str, set[Address]] = {}
        self._failed = Unserved()
        self._without_room = Unserved()
        self._retrying = False

    @property
    def unserved(self) -> int:
        """The number of addresses without a listener, for any reason."""
        return len(self._failed) + len(self._without_room)

    def follow(self, *keys: str) -> None:
        """Open and close listeners to match the table in force: for the services with these keys, or for all."""
        routes, over = self._table().routes, set[Address]()
        for key in {*(keys or (*routes, *self._of, *self._without_room.owners())), *self._failed.owners()}:
            over |= self._follow(key, routes.get(key, {}))
        for key in self._without_room.owners(self._room):
            over |= self._follow(key, routes.get(key, {}))
        sessions = self._capacity.sessions_most if self._udp else 0
        self._connections.most = self._capacity.clients_most(len(self._listeners), sessions)
        self._retry_later()
        over -= self._listeners.keys()  # reopened: its new socket is held and replaces the old one
        left = (key for purpose in PURPOSES.values() for key in self._held.left(purpose))
        self._held.closed(*map(_held_key, over), *left)
        self._held.flush()

    def close(self) -> None:
        """Close all of them."""
        for listener in self._listeners.values():
            listener.close()
        # A closed UDP socket receives nothing ever again, unlike one that listens: the next worker makes its own.
        self._held.closed(*(_held_key(address) for address in self._listeners if address.transport == "udp"))
        for each in (self._listeners, self._owner, self._protocol, self._of, self._failed, self._without_room):
            each.clear()
        self._udp = 0

    def _follow(self, key: str, routes: Mapping[str, Route]) -> set[Address]:
        """Match the listeners of one service; returns the addresses that it has lost."""
        wanted = {
            Address(route.service.virtual_address, route.port.number, route.port.transport): route.port.protocol
            for route in routes.values()
            if route.service.virtual_address and route.port.served
        }
        self._failed.keep(key, wanted.keys())
        self._without_room.keep(key, wanted.keys())
        over = self._of.get(key, set()) - wanted.keys()
        for address in over:
            self._listeners.pop(address).close()
            self._udp -= address.transport == "udp"
            self._disown(address)
            del self._protocol[address]
        for address in wanted.keys() - self._of.get(key, set()):
            if address in self._listeners:
                self._disown(address)  # the socket stays, the service changes
                self._listeners[address].reassigned()
            elif not self._open(address, key):
                continue
            self._owner[address] = key
            self._of.setdefault(key, set()).add(address)
        for address in self._of.get(key, ()):
            self._protocol[address] = wanted[address]
        return over

    def _disown(self, address: Address) -> None:
        key = self._owner.pop(address)
        self._of[key].discard(address)
        if not self._of[key]:
            del self._of[key]

    @property
    def _room(self) -> int:
        """How many more listeners may be opened."""
        return max(0, self._capacity.listeners_most - len(self._listeners))

    def _open(self, address: Address, key: str) -> bool:
        if not self._room:
            if address not in self._without_room:
                files = self._capacity.files
                _not_served(address, key, f"a limit of {files} open files leaves no room for more listeners")
            self._without_room.put(address, key)
            return False
        try:
            self._listeners[address] = self._openers[address.transport](address, key)
        except OSError as error:
            self._context.stats.shortages["listener"] += is_shortage(error)
            if address not in self._failed:
                _not_served(address, key, str(error))
            self._failed.put(address, key)
            return False
        self._udp += address.transport == "udp"
        self._failed.drop(address)
        self._without_room.drop(address)
        return True

    def _listener(self, address: Address, key: str) -> Listener:
        port = port_key(address.port)

        def match(_head: object, _namespace: str) -> Route:
            return self._table().at(self._owner.get(address, key), port)

        def accept(
            context: ConnectionContext, channel: SocketChannel, client: str, received: bytes
        ) -> DownstreamConnection:
            routes = self._table().routes.get(self._owner.get(address, key), {})
            # Clients of a port that has gone come until its listener is closed: of HTTP they get a 404, others a reset.
            protocol = routes[port].port.protocol if port in routes else self._protocol[address]
            return self._accepts.get(protocol, self._context.accept)(context, channel, client, received)

        context = replace(self._context, accept=accept, match=match, understands_connect=False)
        return self._on_socket(address, bound, lambda sock: Listener(self._connections, self._reactor, sock, context))

    def _datagrams(self, address: Address, key: str) -> UdpListener:
        port = port_key(address.port, "udp")

        def route() -> Route:
            return self._table().at(self._owner.get(address, key), port)

        return self._on_socket(
            address, bound_datagrams, lambda sock: UdpListener(self._context.sessions, self._context, sock, route)
        )

    def _on_socket(
        self,
        address: Address,
        make: Callable[[tuple[str, int]], socket.socket],
        listen: Callable[[socket.socket], Listening],
    ) -> Listening:
        """What `listen` makes of the socket at `address`: that of the previous worker, or a new one."""
        held = _held_key(address)
        sock = self._held.opened(held, lambda: make((address.host, address.port)))
        try:
            return listen(sock)
        except BaseException:
            self._held.closed(held)
            sock.close()
            raise

    def _retry_later(self) -> None:
        if self._failed and not self._retrying:
            self._retrying = True
            self._reactor.call_at(self._reactor.now + RETRY_S, self._retry)

    def _retry(self) -> None:
        self._retrying = False
        if self._failed:
            self.follow(*self._failed.owners())


def _held_key(address: Address) -> Key:
    return PURPOSES[address.transport], address.host, address.port


def _not_served(address: Address, key: str, why: str) -> None:
    shown = {"address": (address.host, address.port), "transport": address.transport}
    log.warning("virtual address not served", extra={**shown, "service": key, "error": why})
