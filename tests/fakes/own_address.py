"""Services at addresses of their own in a world: a worker's listeners, and the supervisor that holds their sockets."""

from nodeproxy.downstream.virtual_listeners import VirtualListeners
from nodeproxy.io.capacity import Capacity
from nodeproxy.io.handover import HeldSockets
from nodeproxy.wiring.contexts import ACCEPTS

ROOM = Capacity(1 << 20, 1000)


class AtOwnAddress:
    """Follows the table of a world. Base of the services of tests."""

    def __init__(self, world, capacity=ROOM):
        self.world = world
        self.kept = HeldSockets()
        self.virtual = VirtualListeners(
            world.connections, world.context, self.kept, lambda: world.live.table, capacity, ACCEPTS
        )

    def put(self, update, *keys):
        """Put it in force as a worker does: for the services with these keys, or for all."""
        self.world.install(update)
        self.virtual.follow(*keys)
        self.kept.receive()  # as the supervisor does

    def close(self):
        self.virtual.close()
        self.kept.close()
