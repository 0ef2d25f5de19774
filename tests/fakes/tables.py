"""A live table over endpoints that do nothing."""

import pytest

from nodeproxy.errors import UnknownService
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.table.builder import Live
from nodeproxy.table.makers import Makers
from tests.fakes.exchanges import PolicyWorld, Replies, request


def web(*endpoints, ports=None, policies=None):
    return Service("shop", "web", ports=ports or (Port(80, endpoints=endpoints),), policies=policies or {})


def other(name):
    return Service("shop", name, ports=(Port(80),))


def bare_live(*updates, namespace="default", cluster_domain="cluster.local", also_zones=()):
    """A live table whose routes lead nowhere."""
    makers = Makers(*[lambda *_: None] * 3, lambda _stats, decisions: PolicyWorld().tools_of(decisions))
    live = Live(makers, lambda: 1000.0, namespace, Callers(), cluster_domain, also_zones)
    for update in updates:
        live.install(update)
    return live


class Mesh:
    """A live table that notes which routes it made; `updates` are installed one by one."""

    def __init__(self, *updates):
        self.world = PolicyWorld()
        self.made = []
        self.installed = []
        self.removed = []
        makers = Makers(
            self._upstream, self._install, self.removed.append, lambda _stats, decisions: self.world.tools_of(decisions)
        )
        self.live = Live(makers, lambda: self.world.now, "shop", Callers())
        for update in updates:
            self.live.install(update)

    def _upstream(self, service, port, _settings, _states, pod):
        self.made.append(f"{service.key}:{port.key}" + (f" {pod}" if pod else ""))
        return Replies(200)

    def _install(self, service, port, _settings, _states):
        self.installed.append(f"{service.key}:{port.key}")

    def match(self, host, service=b"", namespace=""):
        return self.live.table.match(request(host=host, service=service), namespace)

    def refusal(self, host):
        with pytest.raises(UnknownService) as refused:
            self.match(host)
        return str(refused.value)

    def names(self):
        return sorted(route.name for route in self.live.table)
