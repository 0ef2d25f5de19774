"""A live table over endpoints that do nothing."""

import pytest

from nodeproxy.errors import UnknownService
from nodeproxy.live import Live
from nodeproxy.mesh.model import Port, Service
from tests.fakes.exchanges import PolicyWorld, Replies, head


def web(*endpoints, ports=None, policies=None):
    return Service("shop", "web", ports=ports or (Port(80, endpoints=endpoints),), policies=policies or {})


def other(name):
    return Service("shop", name, ports=(Port(80),))


class Mesh:
    """A live table that notes which routes it made; `updates` are installed one by one."""

    def __init__(self, *updates):
        self.world = PolicyWorld()
        self.made = []
        self.live = Live(self._upstream, lambda _stats: self.world.tools, lambda: self.world.now, "shop")
        for update in updates:
            self.live.install(update)

    def _upstream(self, service, port, _settings):
        self.made.append(f"{service.key}:{port.number}")
        return Replies(200)

    def match(self, host, service=b""):
        return self.live.table.match(head(host=host, service=service))

    def refusal(self, host):
        with pytest.raises(UnknownService) as refused:
            self.match(host)
        return str(refused.value)

    def names(self):
        return sorted(route.name for route in self.live.table)
