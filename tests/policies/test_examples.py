"""Each example of docs/policies is admitted by discovery without a remark, and serves requests where it is in force."""

import re
from pathlib import Path

import pytest

from discovery.check import check
from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.folder.folder import Folder
from nodeproxy.cli.reference.examples import example_table
from nodeproxy.mesh.wire import Replace
from nodeproxy.policies import CHAIN
from nodeproxy.policies.table import settings_of
from tests.discovery.kube import endpoint, file_of, service, slice_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "policies" / "examples"
NAMES = [policy.name for policy in CHAIN]
GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUESTS = 5
OTHERWISE: dict[str, int] = {}
"""The status of the example's responses where it is meant not to be the endpoint's."""


def services_in(value):
    """The names of services that a table mentions."""
    if isinstance(value, dict):
        own = {value["service"]} if isinstance(value.get("service"), str) else set()
        return own.union(*map(services_in, value.values()))
    return set().union(*map(services_in, value)) if isinstance(value, list) else set()


def folder_of(name, path, port):
    """A folder with the example and the services that it is about, all with one endpoint at this port."""
    (path / "example.yaml").write_text((EXAMPLES / f"{name}.yaml").read_text())
    objects = []
    for number, each in enumerate(sorted({"web"} | services_in(example_table(name)))):
        objects.append(service(f"shop/{each}", clusterIP=f"10.96.0.{10 + number}"))
        objects.append(slice_of(f"shop/{each}", endpoint("127.0.0.1"), ports=[{"name": "http", "port": port}]))
    (path / "services.yaml").write_bytes(file_of(*objects))
    return path


async def serve(world, server):
    """Answer every request on every connection, until cancelled."""
    while True:
        peer = await server.accept()
        world.reactor.spawn(answer(peer))


async def answer(peer):
    while data := await peer.channel.recv():
        peer.received += data
        while b"\r\n\r\n" in peer.received:
            await peer.head()
            await peer.send(ANSWER)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_admitted_without_a_remark(name, tmp_path):
    report = check(folder_of(name, tmp_path, 8080))

    assert (report.problems, report.warnings) == ((), ())
    assert name in example_table(name)


@pytest.mark.parametrize("name", NAMES)
async def test_requests_are_served_with_an_example_in_force(name, tmp_path, world):
    server = world.endpoint()
    catalogue = Catalogue(Scope())
    catalogue.apply(Folder(folder_of(name, tmp_path, server.port), POLICY_MAP).read())
    world.install(Replace(tuple(catalogue.services.values())))
    serving = world.reactor.spawn(serve(world, server))

    client = await world.client()
    statuses = []
    for _ in range(REQUESTS):
        await client.send(GET)
        head = await client.head()
        await client.exactly(int(re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)[1]))
        statuses.append(int(head[9:12]))
    serving.cancel()

    assert world.live.table.at("shop/web", "80").settings[name] == settings_of(example_table(name))[name]
    assert statuses == [OTHERWISE.get(name, 200)] * REQUESTS
