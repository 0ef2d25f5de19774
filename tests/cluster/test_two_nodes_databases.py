"""Databases on one node of the real cluster, their clients on the other, by mesh name; a rollout under a session."""

import urllib.request
from pathlib import Path

import pytest

from tests.cluster import pods
from tests.cluster.control_plane import LIMIT_S
from tests.fakes.bare_mesh import sum_of
from tests.fakes.databases import Session, psql_command
from tests.fakes.programs import program

DATABASES = Path(__file__).with_name("databases.yaml")
ADDRESS = "SELECT inet_server_addr()"


class Data:
    """The servers, and a client pod."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.node = mesh.nodes.nodes["n1"]
        self.psql = program("postgresql", "psql")
        mesh.nodes.apply(DATABASES.read_text())
        for each in ("sql", "cache", "maria", "client"):
            mesh.rolled_out(f"deployment/{each}", "data")
        (self._client,) = mesh.nodes.pods("client", "data")

    def run(self, *command):
        """The lines that a command in the client's pod prints."""
        return pods.run(self.node, self._client, *command).splitlines()

    def ask(self, statement):
        """What a fresh session of psql prints."""
        return self.run(*psql_command(self.psql, "sql.data.mesh", 5432, f"--command={statement}"))

    def session(self, service="sql"):
        """One of psql that stays open."""
        return Session(pods.inside(self.node, self._client, *psql_command(self.psql, f"{service}.data.mesh", 5432)))

    def addresses(self, app):
        return [each["status"]["podIP"] for each in self.mesh.nodes.pods(app, "data")]

    def sample(self, name, service="sql", **labels):
        """The sum of a metric of the client's node for a service."""
        with urllib.request.urlopen(f"http://{self.node.cable.address}:9076/metrics", timeout=LIMIT_S) as page:
            return sum_of(page.read().decode(), name, service=service, **labels)


@pytest.fixture(scope="module")
def data(mesh):
    for package, name in (
        ("postgresql", "postgres"), ("redis-server", "redis-server"), ("redis-tools", "redis-cli"),
        ("mariadb-server-core", "mariadbd"), ("mariadb-client-core", "mariadb"),
    ):  # fmt: skip
        program(package, name)
    return Data(mesh)


def test_clients_reach_their_servers_on_the_other_node_by_name(data):
    maria = ("mariadb", "--no-defaults", "--batch", "--skip-column-names", "--host=maria.data.mesh", "--user=root")

    assert data.ask(ADDRESS) == data.addresses("sql")
    assert data.run("redis-cli", "-h", "cache.data.mesh", "SET", "key", "value") == ["OK"]
    assert data.run("redis-cli", "-h", "cache.data.mesh", "GET", "key") == ["value"]
    (name,) = data.run(*maria, "--execute=SELECT @@hostname")
    assert name == data.mesh.nodes.pods("maria", "data")[0]["metadata"]["name"]


def test_a_rollout_moves_new_connections_at_once_and_leaves_old_ones_to_their_end_or_the_drain_limit(data):
    (old,) = data.addresses("sql")
    until = data.mesh.nodes.plane.until
    ended = data.sample("nodeproxy_connections_total", reason="") or 0

    with data.session() as session, data.session("sql-brief") as brief:
        before, brief_before = session.ask(ADDRESS), brief.ask(ADDRESS)
        data.mesh.kubectl("-n", "data", "rollout", "restart", "deployment/sql")
        data.mesh.rolled_out("deployment/sql", "data")
        until(lambda: data.addresses("sql") != [old] and len(data.addresses("sql")) == 1, "the old server to go")
        (new,) = data.addresses("sql")
        until(lambda: data.ask(ADDRESS) == [new], "the table to have changed")
        fresh = [data.ask(ADDRESS) for _ in range(5)]
        until(lambda: left(data) == 1, "the session at the drain limit to be ended")
        after = session.ask(ADDRESS)
        until(lambda: data.sample("nodeproxy_connections_active") == 1, "the old session alone to be open")

    assert before == brief_before == after == [old]
    assert fresh == [[new]] * 5
    until(lambda: data.sample("nodeproxy_connections_active") == 0, "the end of the old session to be reported")
    assert data.sample("nodeproxy_connections_total", reason="") >= ended + 7


def left(data):
    return data.sample("nodeproxy_connections_total", "sql-brief", reason="endpoint-left")
